import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { GpuSigns } from '../../src/inventory/gpu-signs.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { mustSkip } from '../support/nvml-header.ts';
import { standInLibrary } from '../support/nvml-library.ts';
import { within, type NvmlNode } from '../support/nvml-node.ts';

const skip = mustSkip(await standInLibrary(), 'the test of the signs of GPUs');

const uuid = (index: number): string => `GPU-5a1dbeef-0000-4000-8000-00000000000${index}`;
const well: GpuSigns = {
  uuid: uuid(0),
  recoveryAction: 'none',
  rowRemap: { failed: false, pending: false },
  sramThresholdExceeded: false,
  slowdowns: [],
  nvlinksDown: 0,
  lost: null,
  isUnsure: false,
  unmonitored: null,
};
const mute = { recoveryAction: null, rowRemap: null, sramThresholdExceeded: null, nvlinksDown: null };
const gone = expect.stringMatching(/fallen off the bus/);

async function signsAfter(node: NvmlNode, scenario: string): Promise<readonly GpuSigns[]> {
  await node.scenario(scenario);
  return await node.driver.signs();
}

describe.skipIf(skip)('the signs of a GPU', () => {
  test.each<[line: string, signs: Partial<GpuSigns>]>([
    ['', {}],
    ['gpu 1 recovery-action 1', { recoveryAction: 'reset' }],
    ['gpu 1 recovery-action 2', { recoveryAction: 'reboot' }],
    ['gpu 1 recovery-action 3', { recoveryAction: 'drain-p2p' }],
    ['gpu 1 recovery-action 4', { recoveryAction: 'drain-and-reset' }],
    ['gpu 1 recovery-action 5', { recoveryAction: 'other' }],
    ['gpu 1 remapped 1 2 0 1', { rowRemap: { failed: true, pending: false } }],
    ['gpu 1 remapped 1 2 1 0', { rowRemap: { failed: false, pending: true } }],
    ['gpu 1 sram 1', { sramThresholdExceeded: true }],
    ['gpu 1 ecc none', { sramThresholdExceeded: null }],
    ['gpu 1 slowdowns 40', { slowdowns: ['thermal'] }],
    ['gpu 1 slowdowns ef', { slowdowns: ['thermal', 'power-brake'] }],
    ['gpu 1 slowdowns 2f', {}],
    ['link 1 3 off\nlink 1 4 off', { nvlinksDown: 2 }],
    ['fault nvmlDeviceGetNvLinkState 1 return 999', { nvlinksDown: null }],
    ['link 1 3 off\nfault nvmlDeviceGetNvLinkState 1 return 999 1', { nvlinksDown: null }],
    // A question that the GPU or the driver does not know, or that goes wrong, is not told; the GPU is not lost for it.
    ['fault nvmlDeviceGetFieldValues 1 return 3', { recoveryAction: null }],
    ['fault nvmlDeviceGetRemappedRows 1 return 3', { rowRemap: null }],
    ['fault nvmlDeviceGetRemappedRows 1 return 999', { rowRemap: null }],
    ['fault nvmlDeviceGetRemappedRows 1 return 777', { rowRemap: null }],
    [
      'fault nvmlDeviceGetMemoryInfo 1 return 777',
      { ...mute, lost: expect.stringMatching(/error 777/), isUnsure: true },
    ],
    ['fault nvmlDeviceGetSramEccErrorStatus 1 return 4', { sramThresholdExceeded: null }],
    ['fault nvmlDeviceGetMemoryInfo 1 return 3', {}],
    // One call that finds the GPU gone is enough.
    ['fault * 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetUUID 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetMemoryInfo 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetTemperature 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetPowerUsage 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetTotalEccErrors 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetFieldValues 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetSramEccErrorStatus 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetTemperature 1 return 999', {}],
    ['fault nvmlDeviceGetPowerUsage 1 return 3', {}],
    ['fault nvmlDeviceGetMemoryInfo 1 return 16', { ...mute, lost: expect.stringMatching(/must be reset/) }],
    ['fault nvmlDeviceGetRemappedRows 1 return 15', { ...mute, lost: gone }],
    ['fault nvmlDeviceGetCurrentClocksEventReasons 1 return 15', { ...mute, lost: gone }],
    ['gpu 1 uuid GPU-another', { ...mute, lost: expect.stringMatching(/GPU-another, is in its place/) }],
  ])('%s', (line, signs) =>
    within('gpus 3', async (node) => {
      await node.monitored();
      expect(await node.driver.signs()).toEqual([0, 1, 2].map((index) => ({ ...well, uuid: uuid(index) })));
      expect(await signsAfter(node, `gpus 3\n${line}`)).toEqual([
        well,
        { ...well, uuid: uuid(1), ...signs },
        { ...well, uuid: uuid(2) },
      ]);
      expect(await signsAfter(node, 'gpus 3')).toEqual([0, 1, 2].map((at) => ({ ...well, uuid: uuid(at) })));
    }),
  );

  test('that never had an active NVLink tell of none that is down', () =>
    within('gpus 1\nlinks 0 4', async (node) => {
      await node.monitored();
      expect(await node.driver.signs()).toEqual([{ ...well, nvlinksDown: null }]);
    }));

  test('are null for what the library does not have', () =>
    within(
      'gpus 1\ngpu 0 slowdowns 80',
      async (node) => {
        await node.monitored();
        expect(await node.driver.signs()).toEqual([
          {
            ...well,
            recoveryAction: null,
            rowRemap: null,
            sramThresholdExceeded: null,
            // By the call’s old name.
            slowdowns: ['power-brake'],
          },
        ]);
      },
      {
        without: [
          'nvmlDeviceGetFieldValues',
          'nvmlDeviceGetRemappedRows',
          'nvmlDeviceGetSramEccErrorStatus',
          'nvmlDeviceGetCurrentClocksEventReasons',
        ],
      },
    ));

  test('are not to be had before the first snapshot', () =>
    within('gpus 1', async (node) => {
      await expect(node.driver.signs()).rejects.toMatchObject({ code: 'driver-failed' });
    }));

  test('of one that is lost in the next snapshot as well keep its name', () =>
    within('gpus 2', async (node) => {
      await node.monitored();
      await node.scenario('gpus 2\nfault * 1 return 15');
      expect((await node.driver.signs())[1]?.isUnsure).toBe(false);
      expect((await node.driver.snapshot()).unreadable.map(({ index }) => index)).toEqual([1]);
      expect((await node.driver.signs())[1]).toMatchObject({ uuid: uuid(1), lost: gone });
    }));

  test('of one that hangs: the helper is replaced, and the GPU left alone', () =>
    within('gpus 2', async (node) => {
      await node.monitored();
      const helper = node.helper();
      await node.scenario('gpus 2\nfault nvmlDeviceGetMemoryInfo 1 hang');
      await expect(node.driver.signs()).rejects.toMatchObject({
        code: 'driver-failed',
        message: expect.stringMatching(/did not answer within 3 s while reading GPU 1/),
      });
      await expect(node.driver.signs()).rejects.toMatchObject({ code: 'driver-failed' });
      expect((await node.driver.snapshot()).unreadable.map(({ index }) => index)).toEqual([1]);
      expect((await node.driver.signs()).map(({ lost }) => lost)).toEqual([null]);
      expect(node.helper()).not.toBe(helper);
    }));

  test('of one that hung, are told again when it answers after it was left alone', () => {
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    const pass = (ms: number): void => void (aheadMs += ms);
    return within(
      'gpus 2',
      async (node) => {
        await node.monitored();
        const unreadable = async (): Promise<number[]> =>
          (await node.driver.snapshot()).unreadable.map(({ index }) => index);
        await node.scenario('gpus 2\nfault nvmlDeviceGetMemoryInfo 1 hang');
        await expect(node.driver.signs()).rejects.toMatchObject({ code: 'driver-failed' });
        expect(await unreadable()).toEqual([1]);

        await node.scenario('gpus 2');
        pass(4 * 60_000);
        expect(await unreadable()).toEqual([1]);
        pass(60_000);
        expect(await unreadable()).toEqual([]);
        expect((await node.driver.signs()).map(({ uuid: of, lost }) => [of, lost])).toEqual([
          [uuid(0), null],
          [uuid(1), null],
        ]);
      },
      { clock },
    );
  });

  test('of all, again and again, while errors are told', () =>
    within('gpus 8', async (node) => {
      await node.monitored();
      for (let turn = 1; turn <= 20; turn += 1) {
        await node.scenario(`gpus 8\nevent ${turn} ${turn % 8} xid 79`);
        const told = node.nextEvent();
        await Promise.all([node.driver.signs(), node.driver.snapshot(), delay(1)]);
        expect(await told).toMatchObject({ incident: { gpu: uuid(turn % 8), xid: 79, count: 1 } });
      }
    }));
});
