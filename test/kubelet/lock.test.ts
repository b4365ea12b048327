import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acquireServingLock, type LockWait, type ServingLock } from '../../src/kubelet/lock.ts';
import { systemClock, type Clock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { shortFolder } from '../support/short-folder.ts';

interface Attempt {
  readonly waits: readonly LockWait[];
  readonly lock: Promise<ServingLock>;
  readonly stop: AbortController;
}

function attempt(folder: string, clock: Clock = systemClock): Attempt {
  const waits: LockWait[] = [];
  const stop = new AbortController();
  const deps = {
    clock,
    log: silentLog(),
    onWait: (wait: LockWait) => void waits.push(wait),
    untilFree: (signal: AbortSignal) => clock.sleep(20, signal),
  };
  const lock = acquireServingLock(folder, deps, stop.signal);
  lock.catch(() => undefined);
  return { waits, lock, stop };
}

async function openFiles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

describe('the serving lock', () => {
  it('is had at once when nobody has it', async () => {
    const { lock, waits } = attempt(await shortFolder());
    using held = await lock;
    expect(waits).toEqual([]);
    expect(held.predecessorCrashed).toBe(false);
    expect(held.stillValid()).toBe(true);
  });

  it('is waited for, said once, and had when the holder gives it back', async () => {
    const folder = await shortFolder();
    const clock = new ManualClock();
    const first = await attempt(folder).lock;
    const second = attempt(folder, clock);
    await clock.advance(1000);
    expect(second.waits).toEqual([
      { kind: 'other-agent', reason: 'standing by: another agent serves this node' },
    ]);
    first[Symbol.dispose]();
    await clock.advance(20);
    using held = await second.lock;
    expect(held.predecessorCrashed).toBe(false);
  });

  it('goes to only one of several that wait', async () => {
    const folder = await shortFolder();
    const clock = new ManualClock();
    const first = await attempt(folder).lock;
    const others = [attempt(folder, clock), attempt(folder, clock), attempt(folder, clock)];
    await clock.advance(40);
    first[Symbol.dispose]();
    await clock.advance(200);
    const got = await Promise.all(
      others.map(({ lock }) => Promise.race([lock.then(() => true), settle().then(() => false)])),
    );
    expect(got.filter(Boolean)).toHaveLength(1);
    for (const { stop, lock } of others) {
      stop.abort();
      await lock.then((held) => held[Symbol.dispose]()).catch(() => undefined);
    }
  });

  it('tells that the holder before ended without giving it back', async () => {
    const folder = await shortFolder();
    await writeFile(join(folder, 'slicewise.lock'), 'serving\n');
    using held = await attempt(folder).lock;
    expect(held.predecessorCrashed).toBe(true);
  });

  it('is written as served while held, and empty after', async () => {
    const folder = await shortFolder();
    const held = await attempt(folder).lock;
    expect(await readFile(join(folder, 'slicewise.lock'), 'utf8')).toBe('serving\n');
    held[Symbol.dispose]();
    expect(await readFile(join(folder, 'slicewise.lock'), 'utf8')).toBe('');
  });

  it('is not kept by a child process that was started meanwhile', async () => {
    const folder = await shortFolder();
    const held = await attempt(folder).lock;
    const child = spawn('sleep', ['30'], { stdio: 'ignore' });
    held[Symbol.dispose]();
    const next = attempt(folder);
    using again = await next.lock;
    child.kill('SIGKILL');
    expect(next.waits).toEqual([]);
    expect(again.stillValid()).toBe(true);
  });
});

describe('the lock file', () => {
  it('that was removed makes the lock invalid, and whoever waits takes one of its own', async () => {
    const folder = await shortFolder();
    const clock = new ManualClock();
    using first = await attempt(folder).lock;
    const second = attempt(folder, clock);
    await clock.advance(100);
    await rm(join(folder, 'slicewise.lock'));
    expect(first.stillValid()).toBe(false);
    await clock.advance(100);
    using held = await second.lock;
    expect(held.stillValid()).toBe(true);
    expect(first.stillValid()).toBe(false);
  });

  it.for<[string, string, (folder: string) => Promise<unknown>]>([
    ['without a folder', 'its folder does not exist', () => Promise.resolve()],
    ['with a file for a folder', 'what should be its folder is a file', (folder) => writeFile(folder, '')],
  ])('%s is waited for, said once', async ([, reason, prepare]) => {
    const folder = join(await shortFolder(), 'device-plugins');
    await prepare(folder);
    const clock = new ManualClock();
    const { waits, lock } = attempt(folder, clock);
    await clock.advance(5000);
    expect(waits).toHaveLength(1);
    expect(waits[0]).toMatchObject({ kind: 'folder', reason: expect.stringContaining(reason) as string });
    await rm(folder, { force: true });
    await mkdir(folder);
    await clock.advance(1000);
    using held = await lock;
    expect(held.stillValid()).toBe(true);
  });
});

describe('giving up', () => {
  it.for<[string, boolean]>([
    ['while another agent serves', true],
    ['while the folder is missing', false],
  ])('%s leaves no timer and no open file', async ([, served]) => {
    const folder = await shortFolder();
    const clock = new ManualClock();
    const held = served ? await attempt(folder).lock : null;
    const before = await openFiles();
    const { lock, stop } = attempt(served ? folder : join(folder, 'none'), clock);
    await clock.advance(100);
    stop.abort('SIGTERM');
    await expect(lock).rejects.toMatchObject({ name: 'AbortError' });
    expect(clock.sleeping).toBe(0);
    expect(await openFiles()).toBe(before);
    held?.[Symbol.dispose]();
  });
});
