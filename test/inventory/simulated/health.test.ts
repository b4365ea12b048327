import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Driver, DriverEvent } from '../../../src/inventory/driver.ts';
import { createSimulatedDriver } from '../../../src/inventory/simulated/simulated-driver.ts';
import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scenario-'));
  path = join(folder, 'node.yaml');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

function open(clock: Clock): Driver {
  return createSimulatedDriver({ scenario: path }, { log: silentLog(), clock });
}

/** Gathers events until the signal, the given kind alone. */
function listen(driver: Driver, signal: AbortSignal): { readonly heard: DriverEvent[]; end: Promise<void> } {
  const heard: DriverEvent[] = [];
  const gather = async (): Promise<void> => {
    for await (const event of driver.events(signal)) heard.push(event);
  };
  return { heard, end: gather() };
}

test('signs are those of the scenario at the moment', async () => {
  await write(`gpus: [{ model: t4 }, { model: t4, state: absent }, { model: t4 }]
overrides: [{ gpu: 2, rowRemap: { failed: true, pending: false }, unmonitored: no events here }]
timeline:
  - { at: 5s, do: recovery-action, gpu: 0, recoveryAction: reset }
  - { at: 5s, do: change, gpu: 0, slowdowns: [thermal], nvlinksDown: 2, sramThresholdExceeded: true }
  - { at: 5s, do: lose, gpu: 2, reason: it fell }
  - { at: 9s, do: unreadable, gpu: 2 }
`);
  const clock = new ManualClock();
  await using driver = open(clock);
  const well = {
    recoveryAction: 'none',
    rowRemap: { failed: false, pending: false },
    sramThresholdExceeded: false,
    slowdowns: [],
    nvlinksDown: null,
    lost: null,
    isUnsure: false,
    unmonitored: null,
  };
  const [first, third] = (await driver.snapshot()).gpus.map(({ uuid }) => uuid);
  expect(await driver.signs()).toEqual([
    { ...well, uuid: first },
    { ...well, uuid: third, rowRemap: { failed: true, pending: false }, unmonitored: 'no events here' },
  ]);
  await clock.advance(5000);
  expect(await driver.signs()).toEqual([
    {
      ...well,
      uuid: first,
      recoveryAction: 'reset',
      sramThresholdExceeded: true,
      slowdowns: ['thermal'],
      nvlinksDown: 2,
    },
    {
      uuid: third,
      recoveryAction: null,
      rowRemap: null,
      sramThresholdExceeded: null,
      slowdowns: [],
      nvlinksDown: null,
      lost: 'it fell',
      isUnsure: false,
      unmonitored: 'no events here',
    },
  ]);
  await clock.advance(4000);
  expect((await driver.signs()).map(({ uuid }) => uuid)).toEqual([first]);
});

test('a driver that fails says nothing of signs either', async () => {
  await write('preset: t4x1\ntimeline: [{ at: 0s, do: fail-driver, reason: Timeout }]\n');
  await using driver = open(new ManualClock());
  await expect(driver.signs()).rejects.toMatchObject({ code: 'driver-failed', message: /Timeout/ });
});

test('each kind of incident is told, before what it changed', async () => {
  await write(`preset: a100x2-mig-mixed
timeline:
  - { at: 0s, do: xid, gpu: 0, xid: 31, gpuInstanceId: 1, computeInstanceId: 0, count: 5000 }
  - { at: 5s, do: lose, gpu: 1 }
  - { at: 5s, do: ecc, gpu: 1 }
  - { at: 5s, do: unavailable, gpu: 1 }
  - { at: 5s, do: recovery-action, gpu: 1, recoveryAction: reboot }
  - { at: 5s, do: xid, gpu: null, xid: 79 }
`);
  const clock = new ManualClock();
  await using driver = open(clock);
  const [first, second] = (await driver.snapshot()).gpus;
  const stop = new AbortController();
  const { heard, end } = listen(driver, stop.signal);
  const whole = { gpuInstanceId: null, computeInstanceId: null, count: 1, source: 'simulated' };
  const onSecond = { ...whole, gpu: second?.uuid, pciBusId: second?.pciBusId };
  await expect
    .poll(() => heard)
    .toEqual([
      {
        kind: 'incident',
        incident: {
          kind: 'xid',
          xid: 31,
          gpu: first?.uuid,
          pciBusId: first?.pciBusId,
          gpuInstanceId: 1,
          computeInstanceId: 0,
          count: 5000,
          source: 'simulated',
        },
      },
    ]);
  await clock.advance(5000);
  await expect
    .poll(() => heard.slice(1))
    .toEqual([
      { kind: 'incident', incident: { ...onSecond, kind: 'uncorrectable-ecc' } },
      { kind: 'incident', incident: { ...onSecond, kind: 'unavailable' } },
      { kind: 'incident', incident: { ...onSecond, kind: 'recovery-action-changed' } },
      { kind: 'incident', incident: { ...whole, gpu: null, pciBusId: null, kind: 'xid', xid: 79 } },
      { kind: 'inventory-changed', reason: 'lose GPU 1' },
    ]);
  stop.abort();
  await end;
});

test('an incident with an id is told once however often the file is read, one without each time', async () => {
  const report = (more: string): string =>
    `preset: t4x1\ntimeline: [{ at: 0s, do: xid, gpu: 0, xid: 79, id: 1 }, { at: 0s, do: xid, gpu: 0, xid: 31 }${more}]\n`;
  await write('preset: t4x1\n');
  await using driver = open(systemClock);
  const stop = new AbortController();
  const { heard, end } = listen(driver, stop.signal);
  const xids = (): number[] =>
    heard.flatMap((event) =>
      event.kind === 'incident' && event.incident.kind === 'xid' ? [event.incident.xid] : [],
    );
  const readAnew = (): number => heard.filter(({ kind }) => kind === 'inventory-changed').length;
  await driver.snapshot();
  await write(report(''));
  await expect.poll(xids).toEqual([79, 31]);
  await write(report(', { at: 0s, do: xid, gpu: 0, xid: 62, id: another }'));
  await expect.poll(xids).toEqual([79, 31, 31, 62]);
  await write('preset: t4x1\n');
  await expect.poll(readAnew).toBe(3);
  await write(report(''));
  await expect.poll(xids).toEqual([79, 31, 31, 62, 31]);
  stop.abort();
  await end;
});
