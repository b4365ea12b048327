import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Driver, DriverEvent } from '../../../src/inventory/driver.ts';
import { withKernelLog } from '../../../src/inventory/kernel-log/with-kernel-log.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { Latest } from '../../../src/lib/latest.ts';
import { snapshotOf } from '../../support/snapshots.ts';

let folder: string;
let path: string;
let logged: string[];
let closed: number;
let told: Latest<string | null>;
let stop: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kmsg-'));
  path = join(folder, 'kmsg');
  logged = [];
  closed = 0;
  told = new Latest<string | null>(null);
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await rm(folder, { recursive: true, force: true });
});

/** A driver that tells what it is told to, and breaks at `broken`. */
function bare(): Driver {
  return {
    snapshot: () => Promise.resolve(snapshotOf([])),
    signs: () => Promise.resolve([]),
    async *events(signal): AsyncGenerator<DriverEvent, void, void> {
      for await (const reason of told.values(signal)) {
        if (reason === 'broken') throw new Error('it broke');
        if (reason !== null) yield { kind: 'inventory-changed', reason };
      }
    },
    async [Symbol.asyncDispose]() {
      closed += 1;
    },
  };
}

function open(): Driver {
  const log = pino({ base: null }, { write: (line: string) => logged.push(line) });
  return withKernelLog(bare(), { path }, { log, clock: systemClock });
}

function listen(driver: Driver): { readonly heard: string[]; readonly end: Promise<void> } {
  const heard: string[] = [];
  const gather = async (): Promise<void> => {
    for await (const event of driver.events(stop.signal))
      heard.push(
        event.kind === 'incident'
          ? `${event.incident.pciBusId} ${event.incident.kind} × ${event.incident.count}`
          : event.reason,
      );
  };
  return { heard, end: gather() };
}

const line = (xid: number, bus = '1b'): string =>
  `4,7,1234,-;NVRM: Xid (PCI:0000:${bus}:00): ${xid}, pid=1\n`;

describe('a driver with the kernel log', () => {
  test('tells of what is logged from then on, and of what the driver tells', async () => {
    await writeFile(path, line(79).repeat(5));
    await using driver = open();
    const { heard, end } = listen(driver);
    await appendFile(path, `6,8,1240,-;usb 1-1: new device\n${line(79)}`);
    await expect.poll(() => heard).toEqual(['00000000:1b:00.0 xid × 1']);
    told.set('it says');
    await expect.poll(() => heard.slice(1)).toEqual(['it says']);
    // A record that comes in two parts.
    await appendFile(path, line(31, '3b').slice(0, 20));
    await systemClock.sleep(250);
    await appendFile(path, line(31, '3b').slice(20));
    await expect.poll(() => heard.slice(2)).toEqual(['00000000:3b:00.0 xid × 1']);
    stop.abort();
    await end;
    expect(logged).toEqual([]);
  });

  test('tells of a storm as few incidents with their number', async () => {
    await writeFile(path, '');
    await using driver = open();
    const { heard, end } = listen(driver);
    await appendFile(path, line(13).repeat(10_000));
    const sum = (): number => heard.reduce((total, one) => total + Number(one.split(' × ')[1]), 0);
    await expect.poll(sum, { timeout: 45_000 }).toBe(10_000);
    expect(heard.length).toBeLessThan(100);
    stop.abort();
    await end;
  });

  test('that is not there says so once, and the driver goes on', async () => {
    await using driver = open();
    for (const reason of ['one', 'two']) {
      const events = driver.events(stop.signal)[Symbol.asyncIterator]();
      told.set(reason);
      expect(await events.next()).toMatchObject({ value: { reason } });
      await events.return?.();
    }
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/no such file.*cannot be read, so XIDs are told by the driver alone/);
  });

  test('tells the failure of the driver', async () => {
    await writeFile(path, '');
    await using driver = open();
    told.set('broken');
    await expect(listen(driver).end).rejects.toThrow('it broke');
  });

  test('closes both', async () => {
    await writeFile(path, '');
    const driver = open();
    await driver[Symbol.asyncDispose]();
    expect(closed).toBe(1);
    const { heard, end } = listen(driver);
    await appendFile(path, line(79));
    await systemClock.sleep(300);
    expect(heard).toEqual([]);
    stop.abort();
    await end;
  });
});
