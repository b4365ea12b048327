import { describe, expect, it } from 'vitest';
import { runForEach } from '../../src/app/run-for-each.ts';
import { untilAborted } from '../../src/lib/abort.ts';
import { Latest } from '../../src/lib/latest.ts';
import { settle } from '../support/manual-clock.ts';

describe('runForEach', () => {
  it('runs anew only when its own part is another one, and ends with the signal', async () => {
    const source = new Latest({ mine: { a: 1 }, others: 1 });
    const runs: string[] = [];
    const stop = new AbortController();
    const running = runForEach(
      source,
      ({ mine }) => mine,
      async (part, signal) => {
        runs.push(`begins ${part.a}`);
        await untilAborted(signal);
        runs.push(`ends ${part.a}`);
      },
      stop.signal,
    );
    await settle();
    source.set({ mine: { a: 1 }, others: 2 });
    await settle();
    expect(runs).toEqual(['begins 1']);
    source.set({ mine: { a: 2 }, others: 2 });
    await settle();
    expect(runs).toEqual(['begins 1', 'ends 1', 'begins 2']);
    stop.abort('SIGTERM');
    await running;
    expect(runs.at(-1)).toBe('ends 2');
  });

  it('throws when the task fails, and when it ends by itself', async () => {
    const source = new Latest(1);
    const { signal } = new AbortController();
    const fail = (): Promise<void> => Promise.reject(new Error('no lock'));
    await expect(runForEach(source, (value) => value, fail, signal)).rejects.toThrow('no lock');
    const end = (): Promise<void> => Promise.resolve();
    await expect(runForEach(source, (value) => value, end, signal)).rejects.toThrow('ended by itself');
  });
});
