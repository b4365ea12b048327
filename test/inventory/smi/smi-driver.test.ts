import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Driver } from '../../../src/inventory/driver.ts';
import { isGroupAlive } from '../../../src/inventory/smi/process-group.ts';
import { createSmiDriver } from '../../../src/inventory/smi/smi-driver.ts';
import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { describeError } from '../../../src/lib/errors.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { holdAllFiles } from '../../support/hold-all-files.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { readCapture, writeProgram, writeReplayProgram } from '../../support/smi-replay.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'smi-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function driverOf(program: string, clock: Clock = systemClock, driverRoots: readonly string[] = []): Driver {
  return createSmiDriver({ program, driverRoots }, { log: silentLog(), clock });
}

/** The process id that the program wrote, as soon as it is there. */
async function readPid(): Promise<number> {
  for (;;) {
    const text = await readFile(join(folder, 'pid'), 'utf8').catch(() => '');
    if (text.endsWith('\n')) return Number(text);
    await systemClock.sleep(5);
  }
}

async function expectGone(group: number): Promise<void> {
  await expect.poll(() => isGroupAlive(group), { timeout: 10_000 }).toBe(false);
}

test('a captured machine in MIG mode, through a program', async () => {
  await using driver = driverOf(await writeReplayProgram(folder, 'h100-mig'));
  const { gpus, unreadable } = await driver.snapshot();
  expect(unreadable).toEqual([]);
  expect(gpus[0]).toMatchObject({
    name: 'NVIDIA H100 80GB HBM3',
    computeCapability: '9.0',
    memoryTotalMiB: 81559,
  });
  expect(gpus[0]?.migInstances.map(({ profile }) => profile)).toEqual([
    '3g.40gb',
    '2g.20gb',
    '1g.10gb',
    '1g.10gb',
  ]);
});

describe('a MIG device that -L does not list', () => {
  /** Leaves a device out of what `-L` prints, so many times. */
  async function writeForgetful(times: number): Promise<string> {
    const replay = await writeReplayProgram(folder, 'h100-mig');
    await rename(replay, join(folder, 'replay'));
    return await writeProgram(
      folder,
      [
        `echo "$@" >> '${folder}/calls'`,
        `if [ "$1" = -L ] && [ $(grep -c -e '^-L' '${folder}/calls') -le ${times} ]; then`,
        `  '${folder}/replay' -L | grep -v 'Device  2:'`,
        `else exec '${folder}/replay' "$@"; fi`,
      ].join('\n'),
    );
  }

  test('has just been made: both are asked again', async () => {
    await using driver = driverOf(await writeForgetful(1));
    const [gpu] = (await driver.snapshot()).gpus;
    expect(gpu).toMatchObject({ error: null });
    expect(gpu?.migInstances).toHaveLength(4);
  });

  test('is told as the GPU’s error if it stays so; the others are listed', async () => {
    await using driver = driverOf(await writeForgetful(9));
    const [gpu] = (await driver.snapshot()).gpus;
    expect(gpu).toMatchObject({ error: 'nvidia-smi -L does not list MIG device 2' });
    expect(gpu?.migInstances.map(({ gpuInstanceId }) => gpuInstanceId)).toEqual([2, 3, 10]);
    const calls = await readFile(join(folder, 'calls'), 'utf8');
    expect(calls.split('\n').filter((line) => line === '-L')).toHaveLength(2);
  });
});

test('a second snapshot takes one call', async () => {
  const program = await writeReplayProgram(folder, 'h100');
  const counted = join(folder, 'counted');
  await writeFile(counted, `#!/bin/sh\necho x >>'${folder}/calls'\nexec '${program}' "$@"\n`, {
    mode: 0o755,
  });
  const calls = async (): Promise<number> =>
    (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n').length;
  await using driver = driverOf(counted);
  await driver.snapshot();
  expect(await calls()).toBe(2);
  await driver.snapshot();
  expect(await calls()).toBe(3);
});

describe('a program that is of no use', () => {
  test.each([
    ['prints nothing', 'exit 0', 'driver-failed', /nvidia-smi -q printed no GPU: nothing/],
    ['prints garbage', 'echo "<html>404</html>"', 'driver-failed', /printed no GPU: "<html>404<\/html>"/],
    [
      'has no driver',
      'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9',
      'no-driver',
      /status 9 \(the NVIDIA driver is not loaded\) and said "NVIDIA-SMI has failed because it couldn't/,
    ],
    [
      'has no library',
      'echo "cannot load libnvidia-ml" >&2; exit 12',
      'no-driver',
      /status 12 .*"cannot load libnvidia-ml"/,
    ],
    ['crashes', 'kill -SEGV $$', 'driver-failed', /nvidia-smi -q was ended by a signal and said nothing/],
    ['fails strangely', 'echo oops >&2; exit 77', 'driver-failed', /ended with status 77 and said "oops"/],
    ['never stops talking', 'exec yes', 'driver-failed', /printed more than 8 MiB and was killed/],
  ])('%s', async (_what, script, code, message) => {
    await using driver = driverOf(await writeProgram(folder, script));
    await expect(driver.snapshot()).rejects.toMatchObject({ name: 'DriverError', code });
    await expect(driver.snapshot()).rejects.toThrow(message);
  });

  test('never ends: killed at the deadline', async () => {
    const clock = new ManualClock();
    await using driver = driverOf(await writeProgram(folder, 'exec sleep 60'), clock);
    const answer = driver.snapshot().catch((error: unknown) => error);
    while (clock.sleeping === 0) await systemClock.sleep(5);
    await clock.advance(29_999);
    expect(clock.sleeping).toBe(1);
    await clock.advance(1);
    expect(await answer).toMatchObject({ code: 'driver-failed' });
    expect(String(await answer)).toMatch(/did not end within 30 s and was killed/);
    expect(clock.sleeping).toBe(0);
  });

  test('leaves a process behind that holds its output open: ended too', async () => {
    const script = `echo $$ >'${folder}/pid'; sleep 60 & echo "garbage"`;
    await using driver = driverOf(await writeProgram(folder, script));
    await expect(driver.snapshot()).rejects.toThrow(/"garbage"/);
    await expectGone(await readPid());
  });

  test('hangs in a process of its own: both are ended', async () => {
    const clock = new ManualClock();
    const script = `sleep 60 & echo $$ >'${folder}/pid'; wait`;
    await using driver = driverOf(await writeProgram(folder, script), clock);
    const answer = driver.snapshot().catch((error: unknown) => error);
    const pid = await readPid();
    expect(isGroupAlive(pid)).toBe(true);
    await clock.advance(30_000);
    expect(String(await answer)).toMatch(/was killed/);
    await expectGone(pid);
  });

  test('cannot be started for want of a file descriptor', async () => {
    await using driver = driverOf(await writeProgram(folder, 'exit 0'));
    let answer: unknown;
    {
      using held = holdAllFiles();
      expect(held.count).toBeGreaterThan(0);
      answer = await driver.snapshot().catch(describeError);
    }
    expect(answer).toMatch(/Cannot run .*nvidia-smi -q: .*E[MN]FILE/);
    await expect(driver.snapshot()).rejects.toThrow(/printed no GPU/);
  });

  test('is not there', async () => {
    await using driver = driverOf(join(folder, 'nvidia-smi'));
    await expect(driver.snapshot()).rejects.toMatchObject({ code: 'no-driver' });
    await expect(driver.snapshot()).rejects.toThrow(/nowhere \(tried .*nvidia-smi\).*--nvidia-smi/);
  });

  test('may not be run', async () => {
    const program = join(folder, 'nvidia-smi');
    await writeFile(program, '#!/bin/sh\n', { mode: 0o644 });
    await using driver = driverOf(program);
    await expect(driver.snapshot()).rejects.toThrow(/Cannot run .*nvidia-smi -q/);
  });
});

test('a program that is installed later is found, under a root of the driver too', async () => {
  await using driver = driverOf(join(folder, 'absent'), systemClock, [folder, `${folder}/`]);
  await expect(driver.snapshot()).rejects.toMatchObject({ code: 'no-driver' });
  await mkdir(join(folder, 'usr/bin'), { recursive: true });
  await writeReplayProgram(join(folder, 'usr/bin'), 'h100');
  expect((await driver.snapshot()).gpus).toHaveLength(1);
});

test('closing ends a running program and refuses later calls', async () => {
  const driver = driverOf(await writeProgram(folder, `echo $$ >'${folder}/pid'; exec sleep 60`));
  const answer = driver.snapshot().catch((error: unknown) => error);
  const pid = await readPid();
  await driver[Symbol.asyncDispose]();
  expect(String(await answer)).toMatch(/was ended because the driver is closed/);
  await expectGone(pid);
  await expect(driver.snapshot()).rejects.toThrow(/closed/);
});

test('events end with their signal', async () => {
  await using driver = driverOf('nvidia-smi');
  const controller = new AbortController();
  const next = driver.events(controller.signal)[Symbol.asyncIterator]().next();
  controller.abort();
  expect(await next).toEqual({ done: true, value: undefined });
});

describe('one bad GPU of three', () => {
  const block = readCapture('h100', '-q');
  const uuids = [1, 2, 3].map((n) => `GPU-0000000${n}-0000-0000-0000-000000000000`);
  const busIds = ['00000000:0A:00.0', '00000000:0B:00.0', '00000000:0C:00.0'];
  const bad = 'Unable to determine the device handle for GPU0000:0B:00.0: Unknown Error';

  /** Each GPU's own answer in a file, and a script that prints them as the version in question would. */
  async function writeThree(whole: string): Promise<string> {
    for (const [n, uuid] of uuids.entries()) {
      const own = block
        .replace('GPU-00000000-0000-0000-0000-000000000000', uuid)
        .replaceAll('00000000:00:09.0', busIds[n]!)
        .replace('Minor Number                                       : 0', `Minor Number : ${n}`);
      await writeFile(join(folder, `q${n}`), own);
    }
    const lines = [
      `cd '${folder}'`,
      `case "$*" in`,
      `-q) ${whole} ;;`,
      `"-q -i 1") echo "${bad}"; exit 255 ;;`,
      `"-q -i 0"|"-q -i 2") cat "q$3" ;;`,
      `"-q -i "*) echo "No devices were found"; exit 6 ;;`,
      `*) echo "Field compute_cap is not a valid field to query."; exit 2 ;;`,
      `esac`,
    ];
    return await writeProgram(folder, lines.join('\n'));
  }

  test.each([
    ['the whole query says only the error', `echo "${bad}"; exit 255`],
    ['the error is on standard error, between the others', `cat q0; echo "${bad}" >&2; cat q2; exit 255`],
    ['the others are cut off', `sed 's/Attached GPUs .*/Attached GPUs : 3/' q0`],
    [
      'a block is broken',
      `sed 's/Attached GPUs .*/Attached GPUs : 3/' q0; echo 'GPU 00000000:0B:00.0'; cat q2`,
    ],
  ])('%s', async (_what, whole) => {
    await using driver = driverOf(await writeThree(whole));
    const { gpus, unreadable, driverVersion } = await driver.snapshot();
    expect(gpus.map(({ uuid, index, minor, error }) => [uuid, index, minor, error])).toEqual([
      [uuids[0], 0, 0, null],
      [uuids[2], 2, 2, null],
    ]);
    expect(unreadable).toEqual([{ index: 1, pciBusId: '00000000:0b:00.0', error: 'Unknown Error' }]);
    expect(driverVersion).toBe('590.48.01');
  });
});

test('a driver without GPUs is an empty snapshot', async () => {
  await using driver = driverOf(await writeProgram(folder, 'echo "No devices were found"; exit 6'));
  expect(await driver.snapshot()).toMatchObject({ driver: 'smi', gpus: [], unreadable: [] });
});
