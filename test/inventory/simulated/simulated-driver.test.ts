import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Driver, DriverEvent } from '../../../src/inventory/driver.ts';
import { createSimulatedDriver } from '../../../src/inventory/simulated/simulated-driver.ts';
import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

let folder: string;
let path: string;
let logged: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scenario-'));
  path = join(folder, 'node.yaml');
  logged = [];
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function open(scenario: string, clock: Clock): Driver {
  const log = pino({ base: null }, { write: (line: string) => logged.push(line) });
  return createSimulatedDriver({ scenario }, { log, clock });
}

async function states(driver: Driver): Promise<(string | null)[]> {
  return (await driver.snapshot()).gpus.map(({ error }) => error);
}

/** Gathers events until the signal; the returned list grows. */
function listen(
  driver: Driver,
  signal: AbortSignal,
): { readonly reasons: string[]; readonly end: Promise<void> } {
  const reasons: string[] = [];
  const gather = async (): Promise<void> => {
    for await (const event of driver.events(signal)) reasons.push(describe(event));
  };
  return { reasons, end: gather() };
}

function describe(event: DriverEvent): string {
  return `${event.kind}: ${'reason' in event ? event.reason : event.incident.kind}`;
}

test('the timeline changes snapshots and tells of it, each event once', async () => {
  await writeFile(
    path,
    `preset: t4x1
timeline:
  - { at: 5s, do: lose, gpu: 0 }
  - { at: 20s, do: restore, gpu: 0 }
  - { at: 20s, do: change, gpu: 0, memoryUsedMiB: 9 }
`,
  );
  const clock = new ManualClock();
  await using driver = open(path, clock);
  const controller = new AbortController();
  const { reasons, end } = listen(driver, controller.signal);
  expect(await states(driver)).toEqual([null]);
  await clock.advance(4999);
  expect(await states(driver)).toEqual([null]);
  expect(reasons).toEqual([]);
  await clock.advance(1);
  expect(await states(driver)).toEqual(['GPU is lost']);
  await expect.poll(() => reasons).toEqual(['inventory-changed: lose GPU 0']);
  await clock.advance(15_000);
  expect(await states(driver)).toEqual([null]);
  await expect.poll(() => reasons.slice(1)).toEqual(['inventory-changed: restore GPU 0, change GPU 0']);
  controller.abort();
  await end;
  expect(clock.sleeping).toBe(0);
  expect(reasons).toHaveLength(2);
});

test('a new reader goes on where the last one stopped', async () => {
  await writeFile(
    path,
    'preset: t4x1\ntimeline: [{ at: 5s, do: lose, gpu: 0 }, { at: 9s, do: restore, gpu: 0 }]\n',
  );
  const clock = new ManualClock();
  await using driver = open(path, clock);
  await driver.snapshot();
  await clock.advance(5000);
  const first = driver.events(new AbortController().signal)[Symbol.asyncIterator]();
  expect(await first.next()).toMatchObject({ value: { reason: 'lose GPU 0' } });
  await first.return?.();
  await clock.advance(5000);
  const second = driver.events(new AbortController().signal)[Symbol.asyncIterator]();
  expect(await second.next()).toMatchObject({ value: { reason: 'restore GPU 0' } });
  await second.return?.();
});

test('a driver that fails, is missing, hangs and comes back', async () => {
  await writeFile(
    path,
    `preset: t4x1
timeline:
  - { at: 1s, do: fail-driver, reason: Timeout }
  - { at: 2s, do: remove-driver }
  - { at: 3s, do: hang-driver }
  - { at: 60s, do: restore-driver }
`,
  );
  const clock = new ManualClock();
  await using driver = open(path, clock);
  await driver.snapshot();
  await clock.advance(1000);
  await expect(driver.snapshot()).rejects.toMatchObject({ code: 'driver-failed', message: /Timeout/ });
  await clock.advance(1000);
  await expect(driver.snapshot()).rejects.toMatchObject({ code: 'no-driver' });
  await clock.advance(1000);
  const answers: number[] = [];
  const answer = driver.snapshot().then(({ gpus }) => answers.push(gpus.length));
  await clock.advance(56_000);
  await settle(50);
  expect(answers).toEqual([]);
  while (answers.length === 0) {
    await clock.advance(1000);
    await systemClock.sleep(1);
  }
  await answer;
  expect(answers).toEqual([1]);
});

test('closing ends a call that hangs, and the events', async () => {
  await writeFile(path, 'preset: t4x1\ntimeline: [{ at: 0s, do: hang-driver }]\n');
  const clock = new ManualClock();
  const driver = open(path, clock);
  const { end } = listen(driver, new AbortController().signal);
  const answer = driver.snapshot().catch((error: unknown) => error);
  await settle(20);
  await driver[Symbol.asyncDispose]();
  expect(await answer).toMatchObject({ name: 'DriverError', message: 'The simulated driver is closed' });
  await end;
  expect(clock.sleeping).toBe(0);
});

test('a changed file is noticed, also when it is replaced by another one', async () => {
  await writeFile(path, 'gpus: [{model: t4}]\ntimeline: [{at: 0s, do: lose, gpu: 0}]\n');
  await using driver = open(path, systemClock);
  const controller = new AbortController();
  const { reasons, end } = listen(driver, controller.signal);
  expect(await states(driver)).toEqual(['GPU is lost']);
  await writeFile(join(folder, 'new'), 'gpus: [{model: t4, count: 2}]\n');
  await rename(join(folder, 'new'), path);
  await expect
    .poll(() => reasons, { timeout: 10_000 })
    .toEqual(['inventory-changed: the scenario file was read anew']);
  expect(await states(driver)).toEqual([null, null]);
  controller.abort();
  await end;
});

test('an edit of the file re-shapes MIG; instances with the ids they had keep their UUIDs', async () => {
  const write = (mig: string): Promise<void> =>
    writeFile(path, `gpus: [{model: a100-sxm4-40gb, mig: ${mig}}]\n`);
  await write('[3g.20gb, 2g.10gb, 1g.5gb]');
  await using driver = open(path, systemClock);
  const instances = async () => (await driver.snapshot()).gpus[0]?.migInstances ?? [];
  const before = await instances();
  await write('[3g.20gb, 1g.5gb, 1g.5gb]');
  const after = await instances();
  expect(after.map(({ profile }) => profile)).toEqual(['3g.20gb', '1g.5gb', '1g.5gb']);
  expect(after.map(({ uuid }) => before.findIndex((one) => one.uuid === uuid))).toEqual([0, 2, -1]);
});

test('times count from the moment the changed file is read', async () => {
  await writeFile(path, 'gpus: [{model: t4}]\n');
  const clock = new ManualClock();
  await using driver = open(path, clock);
  await driver.snapshot();
  await clock.advance(60_000);
  await writeFile(path, 'gpus: [{model: t4}]\ntimeline: [{at: 5s, do: lose, gpu: 0}]\n');
  expect(await states(driver)).toEqual([null]);
  await clock.advance(5000);
  expect(await states(driver)).toEqual(['GPU is lost']);
});

test('a file that turns wrong leaves the last good one in force and is complained about once', async () => {
  await writeFile(path, 'gpus: [{model: t4}]\n');
  await using driver = open(path, systemClock);
  await driver.snapshot();
  await writeFile(path, 'gpus: [{model: t5}]\n');
  for (let round = 0; round < 3; round += 1) expect(await states(driver)).toEqual([null]);
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain('gpus[0].model: \\"t5\\" is not allowed');
  await rm(path);
  expect(await states(driver)).toEqual([null]);
  expect(logged[1]).toContain('Cannot read the scenario file');
  await writeFile(path, 'gpus: [{model: t4, count: 3}]\n');
  expect(await states(driver)).toHaveLength(3);
  await writeFile(path, 'gpus: [{model: t5}]\n');
  await driver.snapshot();
  expect(logged.filter((line) => line.includes('t5'))).toHaveLength(2);
});

test('a file that is wrong from the start is an error until it is mended', async () => {
  await writeFile(path, 'gpus: [{model: t5}]\n');
  await using driver = open(path, systemClock);
  const controller = new AbortController();
  const { reasons, end } = listen(driver, controller.signal);
  await expect(driver.snapshot()).rejects.toMatchObject({
    name: 'DriverError',
    message: /gpus\[0\].model: "t5"/,
  });
  await writeFile(path, 'gpus: [{model: t4}]\n');
  expect(await states(driver)).toEqual([null]);
  await expect.poll(() => reasons, { timeout: 10_000 }).toHaveLength(1);
  controller.abort();
  await end;
});

test('neither a preset nor a file', async () => {
  await using driver = open('a100x9', systemClock);
  await expect(driver.snapshot()).rejects.toThrow(
    /Cannot read the scenario file a100x9; give the path of a file or the name of a preset \(a100x8, /,
  );
});
