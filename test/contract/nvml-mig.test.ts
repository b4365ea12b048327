import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Gpu } from '../../src/inventory/gpu.ts';
import { mustSkip } from '../support/nvml-header.ts';
import { inventoryOracle, standInLibrary } from '../support/nvml-library.ts';
import { within, type NvmlNode } from '../support/nvml-node.ts';

const skip =
  mustSkip(await standInLibrary(), 'the test of MIG devices') ||
  mustSkip(await inventoryOracle(), 'the test of MIG devices');

const mixed = [
  'gpus 3',
  'gpu 0 mig on',
  'mig 0 9 0 1g.10gb 9984',
  'mig 0 none',
  'mig 0 2 0 3g.40gb 40448',
  'mig 0 3 1 1c.2g.20gb 20096',
  'mig 0 3 0 1c.2g.20gb 20096',
  'mig 0 10 0 1g.10gb+me 9984',
  'gpu 1 mig on',
];

/** Asks for changes more often than the product does. */
const often = { migPollMs: 200 };

describe.skipIf(skip)('MIG devices', () => {
  test('of mixed shapes are those that a C program reads, in order', () =>
    within(mixed.join('\n'), async ({ driver, askOracleOfMig }) => {
      const { gpus } = await driver.snapshot();
      expect(gpus.map(({ migInstances }) => migInstances.length)).toEqual([5, 0, 0]);
      expect(gpus.map(({ error }) => error)).toEqual([null, null, null]);
      const read = gpus.flatMap(({ index, name, migInstances }) =>
        migInstances.map((instance) => [
          String(index),
          String(instance.gpuInstanceId),
          String(instance.computeInstanceId),
          instance.uuid,
          `${name} MIG ${instance.profile}`,
          String(instance.memoryMiB),
          String(instance.gpuSlices),
          String(instance.computeSlices),
        ]),
      );
      const byIds = (left: string[], right: string[]): number =>
        Number(left[1]) - Number(right[1]) || Number(left[2]) - Number(right[2]);
      expect(read).toEqual((await askOracleOfMig()).toSorted(byIds));
      expect(shapeOf(gpus[0])).toEqual([
        '2/0 3g.40gb 40448 3 3',
        '3/0 1c.2g.20gb 20096 2 1',
        '3/1 1c.2g.20gb 20096 2 1',
        '9/0 1g.10gb 9984 1 1',
        '10/0 1g.10gb+me 9984 1 1',
      ]);
    }));

  test('are shaped anew while the driver runs; those that stay keep their UUIDs', () =>
    within(mixed.join('\n'), async (node) => {
      const before = await readFirst(node);
      const lines = mixed.filter((line) => !line.includes(' 1c.2g') && !line.includes('none'));
      await node.scenario([...lines, 'mig 0 5 0 2g.20gb 20096'].join('\n'));
      const after = await readFirst(node);
      expect(shapeOf(after).map((line) => line.split(' ')[1])).toEqual([
        '3g.40gb',
        '2g.20gb',
        '1g.10gb',
        '1g.10gb+me',
      ]);
      const kept = (gpu: Gpu): string[] =>
        gpu.migInstances.filter(({ gpuInstanceId: id }) => [2, 9, 10].includes(id)).map(({ uuid }) => uuid);
      expect(kept(after)).toEqual(kept(before));
      await node.scenario('gpus 3');
      expect(await readFirst(node)).toMatchObject({ mig: { current: false }, migInstances: [], error: null });
    }));

  test.each([
    { what: 'another shape', scenario: [...mixed.slice(0, -2), 'gpu 1 mig on'], gpu: 0 },
    { what: 'devices on a GPU that had none', scenario: [...mixed, 'mig 1 7 0 1g.10gb 9984'], gpu: 1 },
    { what: 'MIG mode switched off', scenario: [...mixed, 'gpu 1 mig off'], gpu: 1 },
    { what: 'MIG mode switched on', scenario: [...mixed, 'gpu 2 mig on'], gpu: 2 },
    { what: 'a switch that waits for a reset', scenario: [...mixed, 'gpu 2 mig-pending on'], gpu: 2 },
  ])('$what: told unasked, once', ({ scenario, gpu }) =>
    within(
      mixed.join('\n'),
      async (node) => {
        await node.driver.snapshot();
        const event = node.nextEvent();
        await node.scenario(scenario.join('\n'));
        expect(await event).toEqual({
          kind: 'inventory-changed',
          reason: `the MIG mode or the MIG devices of GPU ${gpu} changed`,
        });
        await node.driver.snapshot();
        expect(await Promise.race([node.nextEvent(), delay(700)])).toBe(undefined);
      },
      often,
    ),
  );

  test('a GPU that hangs when it is asked for its MIG devices costs the helper, and is left alone then', () =>
    within(mixed.join('\n'), async (node) => {
      await node.driver.snapshot();
      const event = node.nextEvent();
      await node.scenario([...mixed, 'fault nvmlDeviceGetMigMode 1 hang'].join('\n'));
      expect(await event).toMatchObject({ kind: 'driver-restarted', reason: /while reading GPU 1/ });
      const { gpus, unreadable } = await node.driver.snapshot();
      expect(gpus.map(({ index }) => index)).toEqual([0, 2]);
      expect(unreadable).toEqual([
        { index: 1, pciBusId: null, error: expect.stringContaining('within 3 s') },
      ]);
    }));

  test.each([
    { fault: 'nvmlDeviceGetUUID', code: 999, left: 4 },
    { fault: 'nvmlDeviceGetGpuInstanceId', code: 3, left: 4 },
    { fault: 'nvmlDeviceGetComputeInstanceId', code: 999, left: 4 },
    // Always gone when it is asked, and always there when it is listed.
    { fault: 'nvmlDeviceGetComputeInstanceId', code: 6, left: 4 },
    { fault: 'nvmlDeviceGetAttributes_v2', code: 999, left: 5 },
  ])('$fault fails with $code on one: its GPU says so, the others are read', ({ fault, code, left }) =>
    within([...mixed, `fault ${fault} 0:4 return ${code}`].join('\n'), async ({ driver }) => {
      const { gpus } = await driver.snapshot();
      expect(gpus.map(({ migInstances }) => migInstances.length)).toEqual([left, 0, 0]);
      expect(gpus[0]?.error).toMatch(new RegExp(`MIG device 4 cannot be read: ${fault}: `));
      expect(gpus.slice(1).map(({ error }) => error)).toEqual([null, null]);
    }),
  );

  test('one that changes while it is read is read again, and costs nothing', () =>
    within(
      [...mixed, 'fault nvmlDeviceGetComputeInstanceId 0:4 return 6 1'].join('\n'),
      async ({ driver }) => {
        const [gpu] = (await driver.snapshot()).gpus;
        expect(gpu).toMatchObject({ error: null });
        expect(gpu?.migInstances).toHaveLength(5);
      },
    ));

  test('a GPU that is lost when its MIG devices are read', () =>
    within([...mixed, 'fault nvmlDeviceGetUUID 0:0 return 15'].join('\n'), async (node) => {
      const gpu = await readFirst(node);
      expect(gpu).toMatchObject({ mig: { current: true }, error: /fallen off the bus/, links: [] });
    }));

  test('a process without the permission is told how to get it', () =>
    within([...mixed, 'fault nvmlDeviceGetMigDeviceHandleByIndex * return 4'].join('\n'), async (node) => {
      expect((await readFirst(node)).error).toBe(
        'the list of MIG devices cannot be read: nvmlDeviceGetMigDeviceHandleByIndex: this process is not permitted to ask ' +
          '(NVML error NO_PERMISSION). In a container this takes the NVIDIA runtime with NVIDIA_MIG_MONITOR_DEVICES=all, ' +
          'or privileges',
      );
    }));

  const nameless = [...mixed, 'gpu 0 mig-names off'].join('\n');

  test('a driver that does not name them: the profile is found in its table', () =>
    within(nameless, async (node) => {
      expect(shapeOf(await readFirst(node))).toEqual([
        '2/0 3g.40gb 40448 3 3',
        '3/0 1c.2g.20gb 20096 2 1',
        '3/1 1c.2g.20gb 20096 2 1',
        '9/0 1g.10gb 9984 1 1',
        '10/0 1g.10gb+me 9984 1 1',
      ]);
    }));

  test('… or follows from the figures, where there is no table', () =>
    within(
      nameless,
      async (node) => {
        expect(shapeOf(await readFirst(node)).at(-1)).toBe('10/0 1g.10gb 9984 1 1');
      },
      { without: ['nvmlDeviceGetGpuInstanceProfileInfoV'] },
    ));

  test('a driver without their attributes: the name and the memory tell', () =>
    within(
      mixed.join('\n'),
      async (node) => {
        expect(shapeOf(await readFirst(node)).slice(0, 2)).toEqual([
          '2/0 3g.40gb 40448 3 3',
          '3/0 1c.2g.20gb 20096 2 1',
        ]);
      },
      { without: ['nvmlDeviceGetAttributes_v2'] },
    ));

  test('a driver that tells nothing of them', () =>
    within(
      nameless,
      async (node) => {
        const gpu = await readFirst(node);
        expect(gpu.migInstances).toEqual([]);
        expect(gpu.error).toBe(
          'MIG device 0 cannot be read: the driver does not tell its profile (and 4 more)',
        );
      },
      { without: ['nvmlDeviceGetAttributes_v2'] },
    ));
});

async function readFirst({ driver }: NvmlNode): Promise<Gpu> {
  const [gpu] = (await driver.snapshot()).gpus;
  if (gpu === undefined) throw new Error('no GPU was read');
  return gpu;
}

/** Each instance as `gi/ci profile MiB slices slices`. */
function shapeOf(gpu: Gpu | undefined): string[] {
  return (gpu?.migInstances ?? []).map(
    (one) =>
      `${one.gpuInstanceId}/${one.computeInstanceId} ${one.profile} ${one.memoryMiB} ${one.gpuSlices} ${one.computeSlices}`,
  );
}
