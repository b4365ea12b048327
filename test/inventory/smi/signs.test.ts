import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GpuSigns } from '../../../src/inventory/gpu-signs.ts';
import { parseQuery } from '../../../src/inventory/smi/query.ts';
import { createSmiDriver } from '../../../src/inventory/smi/smi-driver.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { readCapture, writeProgram, writeReplayProgram, type Capture } from '../../support/smi-replay.ts';

const well = {
  recoveryAction: 'none',
  rowRemap: { failed: false, pending: false },
  sramThresholdExceeded: false,
  slowdowns: [],
  nvlinksDown: null,
  lost: null,
  isUnsure: false,
  unmonitored: expect.stringMatching(/^nvidia-smi tells nothing unasked/),
};

/** The signs of a capture's GPU, after a change of what was printed. */
function signsOf(capture: Capture, change: (text: string) => string = (text) => text): GpuSigns | null {
  const printed = readCapture(capture, '-q');
  const changed = change(printed);
  return parseQuery(changed).gpus[0]?.signs ?? null;
}

/** Replaces the value of the first line with the key; fails where there is none. */
function set(key: string, value: string): (text: string) => string {
  return (text) => {
    const line = new RegExp(`^( *${key} *: ).*$`, 'm');
    if (!line.test(text)) throw new Error(`nothing is printed for ${key}`);
    return text.replace(line, `$1${value}`);
  };
}

describe('a captured machine', () => {
  test.each<[Capture, Partial<GpuSigns>]>([
    ['h100', {}],
    // In MIG mode rows are not told.
    ['h100-mig', { rowRemap: null }],
    ['rtx-4080-super', { rowRemap: null, sramThresholdExceeded: null }],
    ['rtx-2080-super', { rowRemap: null, sramThresholdExceeded: null }],
  ])('%s', (capture, signs) => {
    expect(signsOf(capture)).toMatchObject({ ...well, ...signs });
  });
});

describe('a changed capture', () => {
  test.each<[string, string, Partial<GpuSigns>]>([
    ['GPU Recovery Action', 'Reset', { recoveryAction: 'reset' }],
    ['GPU Recovery Action', 'Reboot', { recoveryAction: 'reboot' }],
    ['GPU Recovery Action', 'Drain P2P', { recoveryAction: 'drain-p2p' }],
    ['GPU Recovery Action', 'Drain and Reset', { recoveryAction: 'drain-and-reset' }],
    ['GPU Recovery Action', 'Replace the node', { recoveryAction: 'other' }],
    ['GPU Recovery Action', 'N/A', { recoveryAction: null }],
    ['Remapping Failure Occurred', 'Yes', { rowRemap: { failed: true, pending: false } }],
    ['SRAM Threshold Exceeded', 'Yes', { sramThresholdExceeded: true }],
    ['HW Thermal Slowdown', 'Active', { slowdowns: ['thermal'] }],
    ['HW Power Brake Slowdown', 'Active', { slowdowns: ['power-brake'] }],
    ['SW Power Cap', 'Active', {}],
  ])('%s: %s', (key, value, signs) => {
    expect(signsOf('h100', set(key, value))).toMatchObject({ ...well, ...signs });
  });

  test('a remapping that is pending', () => {
    const pending = (text: string): string => {
      const at = text.indexOf('Remapped Rows');
      return text.slice(0, at) + set('Pending', 'Yes')(text.slice(at));
    };
    expect(signsOf('h100', pending)?.rowRemap).toEqual({ failed: false, pending: true });
  });

  test('the heading of older drivers', () => {
    const older = (text: string): string =>
      set('HW Thermal Slowdown', 'Active')(text).replace('Clocks Event Reasons', 'Clocks Throttle Reasons');
    expect(signsOf('h100', older)?.slowdowns).toEqual(['thermal']);
  });

  test('a GPU that is lost tells nothing else', () => {
    const lost = set('GPU Current Temp', 'GPU is lost');
    expect(signsOf('h100', lost)).toMatchObject({
      recoveryAction: null,
      rowRemap: null,
      sramThresholdExceeded: null,
      slowdowns: [],
      lost: 'GPU is lost',
    });
  });

  test.each([
    ['GPU Current Temp', 'GPU is lost', false],
    ['GPU Current Temp', 'GPU requires reset', false],
    ['Total', 'Unknown Error', true],
    ['Total', '[Unknown Error]', true],
    ['Total', 'ERR!', true],
  ])('%s: %s: that it may not be gone is %s', (key, value, isUnsure) => {
    const lost = isUnsure ? 'Unknown Error' : value;
    expect(signsOf('h100', set(key, value))).toMatchObject({ lost, isUnsure });
  });
});

describe('through a program', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'smi-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('the driver tells the signs of its GPUs', async () => {
    const program = await writeReplayProgram(folder, 'h100');
    await using driver = createSmiDriver({ program }, { log: silentLog(), clock: systemClock });
    const { gpus } = await driver.snapshot();
    expect(await driver.signs()).toEqual(gpus.map(({ uuid }) => ({ uuid, ...well })));
  });

  test('and asks for them when the last answer is no longer fresh', async () => {
    const calls = join(folder, 'calls');
    const capture = join(folder, 'capture');
    await writeFile(capture, readCapture('h100', '-q'));
    const program = await writeProgram(folder, `echo "$*" >>'${calls}'; cat '${capture}'`);
    const clock = new ManualClock();
    await using driver = createSmiDriver({ program }, { log: silentLog(), clock });
    const asked = async (): Promise<number> =>
      (await readFile(calls, 'utf8')).split('\n').filter((line) => line === '-q').length;
    expect(await driver.signs()).toMatchObject([well]);
    await writeFile(capture, set('GPU Recovery Action', 'Reset')(readCapture('h100', '-q')));
    await clock.advance(4_999);
    expect(await driver.signs()).toMatchObject([well]);
    expect(await asked()).toBe(1);
    await clock.advance(1);
    expect(await driver.signs()).toMatchObject([{ recoveryAction: 'reset' }]);
    expect(await asked()).toBe(2);
  });
});
