import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkpointName } from '../../src/kubelet/checkpoint.ts';
import { waitUntilRewritten } from '../../src/kubelet/rewritten-checkpoint.ts';
import type { Clock } from '../../src/lib/clock.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-'));
  await replace('{}');
});

afterEach(() => rm(folder, { recursive: true }));

async function replace(text: string): Promise<void> {
  await writeFile(join(folder, 'new'), text);
  await rename(join(folder, 'new'), join(folder, checkpointName));
}

/** Time passes by sleeping alone; `at` is done when its moment has come. */
function steppedClock(at: ReadonlyMap<number, () => Promise<void>> = new Map()): Clock {
  let nowMs = 0;
  return {
    now: () => nowMs,
    async sleep(ms) {
      nowMs += ms;
      await at.get(nowMs)?.();
    },
  };
}

const never = new AbortController().signal;

describe('waiting for the kubelet to write its record', () => {
  test('asks once where it is heard and answered', async () => {
    const clock = steppedClock(new Map([[200, () => replace('{ }')]]));
    let asked = 0;
    const provoke = (): boolean => {
      asked += 1;
      return true;
    };
    expect(await waitUntilRewritten(folder, provoke, 5000, clock, never)).toBe(true);
    expect({ asked, nowMs: clock.now() }).toEqual({ asked: 1, nowMs: 200 });
  });

  test('asks again as soon as somebody listens', async () => {
    let heardMs: number | null = null;
    const moments = new Map([[130, () => replace('{ }')]]);
    const clock = steppedClock(moments);
    const provoke = (): boolean => {
      if (clock.now() < 100) return false;
      heardMs ??= clock.now();
      return true;
    };
    expect(await waitUntilRewritten(folder, provoke, 5000, clock, never)).toBe(true);
    expect(heardMs).toBe(100);
  });

  test('asks again when whoever heard it writes nothing', async () => {
    const askedMs: number[] = [];
    const clock = steppedClock();
    const provoke = (): boolean => {
      askedMs.push(clock.now());
      return true;
    };
    expect(await waitUntilRewritten(folder, provoke, 3500, clock, never)).toBe(false);
    expect({ askedMs, nowMs: clock.now() }).toEqual({ askedMs: [0, 1000, 2000, 3000], nowMs: 3500 });
  });

  test('takes a record that was not there before for written', async () => {
    await rm(join(folder, checkpointName));
    const clock = steppedClock(new Map([[50, () => replace('{}')]]));
    expect(await waitUntilRewritten(folder, () => true, 5000, clock, never)).toBe(true);
  });
});
