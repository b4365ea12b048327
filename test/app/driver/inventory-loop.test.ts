import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { emptyInventory, keepInventory } from '../../../src/app/driver/inventory-loop.ts';
import { DriverError, type Driver, type DriverEvent } from '../../../src/inventory/driver.ts';
import type { Snapshot } from '../../../src/inventory/gpu.ts';
import { Latest } from '../../../src/lib/latest.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { shortFolder } from '../../support/short-folder.ts';
import { gpu, snapshotOf } from '../../support/snapshots.ts';

const intervalMs = 4000;

/** A loop over a driver that answers as the test says. */
function loop(answer: () => Promise<Snapshot>, pciSysfsRoot: string | null = null) {
  const clock = new ManualClock();
  const { log, lines } = recordingLog();
  const state = emptyInventory();
  const newest = new Latest<DriverEvent | null>(null);
  const counts = { reads: 0, failures: 0, restarts: 0, listeners: 0 };
  let brokenStreams = 0;
  const driver: Driver = {
    snapshot() {
      counts.reads += 1;
      return answer();
    },
    signs: () => Promise.resolve([]),
    async *events(signal) {
      counts.listeners += 1;
      if (brokenStreams > 0) {
        brokenStreams -= 1;
        throw new Error('the stream is broken');
      }
      for await (const event of newest.values(signal)) if (event !== null) yield event;
    },
    async [Symbol.asyncDispose]() {
      throw new Error('whoever opened the driver closes it');
    },
  };
  const stop = new AbortController();
  const start = (): Promise<void> =>
    keepInventory(
      state,
      {
        driver,
        hear: () => undefined,
        due: new Latest(0),
        settings: () => ({
          rescanIntervalMs: intervalMs,
          devRoot: '/nonexistent',
          imexChannelIds: [],
          pciSysfsRoot,
        }),
        clock,
        log,
        observer: {
          snapshotFailure: () => void (counts.failures += 1),
          driverRestart: () => void (counts.restarts += 1),
        },
      },
      stop.signal,
    );
  onTestFinished(() => stop.abort());
  return {
    clock,
    lines,
    state,
    counts,
    stop,
    start,
    event: (event: DriverEvent) => newest.set(event),
    breakStreams: (count: number) => void (brokenStreams = count),
    /** Moves the clock and lets what was read arrive. */
    async pass(ms: number): Promise<void> {
      await clock.advance(ms);
      await quiet();
    },
  };
}

/** Looking for device nodes takes a few turns of the file system, which are slow on a busy machine. */
async function quiet(): Promise<void> {
  const end = performance.now() + 100;
  while (performance.now() < end) await settle();
}

const one = snapshotOf([gpu(0)]);

describe('the inventory', () => {
  it('is read at once and after each interval', async () => {
    const node = loop(async () => one);
    void node.start();
    await node.pass(0);
    expect(node.state.value).toMatchObject({ reading: { snapshot: one, readAtMs: 0 }, failure: null });
    await node.pass(intervalMs - 1);
    expect(node.counts.reads).toBe(1);
    await node.pass(1);
    expect(node.counts.reads).toBe(2);
    expect(node.state.value.reading?.readAtMs).toBe(intervalMs);
  });

  it('is read at once when the driver tells of a change, and a restart is counted', async () => {
    const node = loop(async () => one);
    void node.start();
    await node.pass(0);
    node.event({ kind: 'inventory-changed', reason: 'lose GPU 0' });
    await node.pass(0);
    expect(node.counts).toMatchObject({ reads: 2, restarts: 0 });
    node.event({ kind: 'driver-restarted', reason: 'it crashed' });
    await node.pass(0);
    expect(node.counts).toMatchObject({ reads: 3, restarts: 1 });
  });

  it('is read again when the driver told of a change during a reading', async () => {
    const gate = Promise.withResolvers<Snapshot>();
    const node = loop(() => (node.counts.reads === 1 ? gate.promise : Promise.resolve(one)));
    void node.start();
    await node.pass(0);
    node.event({ kind: 'inventory-changed', reason: 'lose GPU 0' });
    await node.pass(0);
    expect(node.counts.reads).toBe(1);
    gate.resolve(snapshotOf([]));
    await node.pass(0);
    expect(node.counts.reads).toBe(2);
    expect(node.state.value.reading?.snapshot).toBe(one);
  });
});

describe('a reading that fails', () => {
  it('leaves the last good one in force, is said once and counted each time', async () => {
    let failure: Error | null = null;
    const node = loop(async () => {
      if (failure !== null) throw failure;
      return one;
    });
    void node.start();
    await node.pass(0);
    failure = new DriverError('driver-failed', 'Unknown Error');
    await node.pass(intervalMs);
    for (let turn = 0; turn < 4; turn += 1) await node.pass(10_000);
    expect(node.state.value).toMatchObject({
      reading: { snapshot: one, readAtMs: 0 },
      failure: 'Unknown Error',
      noDriver: false,
    });
    expect(node.counts.failures).toBeGreaterThan(4);
    expect(node.lines).toMatchObject([{ level: 'warn', reason: 'Unknown Error' }]);
    failure = null;
    await node.pass(30_000);
    expect(node.state.value.failure).toBeNull();
    expect(node.lines.at(-1)).toMatchObject({ level: 'info', msg: 'the driver answers again', gpus: 1 });
  });

  it('is tried again after growing pauses, of 30 s at the most', async () => {
    const reads: number[] = [];
    const node = loop(async () => {
      reads.push(node.clock.now());
      throw new DriverError('no-driver', 'no library');
    });
    void node.start();
    for (let second = 0; second < 200; second += 1) await node.clock.advance(1000).then(() => settle(20));
    const pauses = reads.slice(1).map((at, index) => at - (reads[index] ?? 0));
    expect(pauses[0]).toBeLessThanOrEqual(500);
    expect(pauses[2]).toBeGreaterThanOrEqual(1000);
    for (const pause of pauses.slice(7)) expect(pause).toBeGreaterThanOrEqual(15_000);
    for (const pause of pauses) expect(pause).toBeLessThanOrEqual(30_000);
    expect(node.state.value).toMatchObject({ reading: null, noDriver: true, failure: 'no library' });
    expect(node.lines).toHaveLength(1);
  });
});

describe('what the PCI bus has', () => {
  it('is looked at when a reading fails, and said once', async () => {
    const sysfs = await shortFolder();
    const device = join(sysfs, 'bus/pci/devices/0000:1b:00.0');
    await mkdir(join(device, '..'), { recursive: true });
    let failure: Error | null = new DriverError('no-driver', 'no library');
    const node = loop(async () => {
      if (failure !== null) throw failure;
      return one;
    }, sysfs);
    // The file system takes its time, which the clock does not know.
    const seen = async (state: object, failures: number): Promise<void> =>
      vi.waitFor(async () => {
        await node.pass(30_000);
        expect(node.state.value).toMatchObject(state);
        expect(node.counts.failures).toBeGreaterThanOrEqual(failures);
      }, 45_000);
    void node.start();
    await seen({ reading: null, noDriver: true, pciGpus: 0 }, 3);
    expect(node.lines).toMatchObject([{ level: 'info', reason: 'no library' }]);
    await mkdir(device);
    await writeFile(join(device, 'vendor'), '0x10de\n');
    await writeFile(join(device, 'class'), '0x030200\n');
    await seen({ pciGpus: 1 }, node.counts.failures + 3);
    expect(node.lines.slice(1)).toMatchObject([{ level: 'warn', reason: 'no library', pciGpus: 1 }]);
    failure = null;
    await seen({ failure: null, pciGpus: null }, 0);
  });
});

describe('the stream of events', () => {
  it('that breaks is said and opened again', async () => {
    const node = loop(async () => one);
    node.breakStreams(2);
    void node.start();
    await node.pass(0);
    expect(node.counts.listeners).toBe(1);
    await node.pass(60_000);
    await node.pass(60_000);
    expect(node.counts.listeners).toBe(3);
    expect(node.lines.filter(({ msg }) => msg === 'the driver event stream broke')).toHaveLength(2);
  });
});

describe('the end', () => {
  it.for<[string, () => Promise<Snapshot>]>([
    ['between two readings', async () => one],
    ['while the driver hangs', () => new Promise(() => undefined)],
    [
      'in a pause after a failure',
      async () => {
        throw new Error('no answer');
      },
    ],
  ])('comes at once %s, and leaves no timer', async ([, answer]) => {
    const node = loop(answer);
    const running = node.start();
    await node.pass(0);
    node.stop.abort('SIGTERM');
    await running;
    expect(node.clock.sleeping).toBe(0);
  });
});
