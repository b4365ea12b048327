import { describe, expect, test } from 'vitest';
import { mustSkip } from '../support/nvml-header.ts';
import { standInLibrary } from '../support/nvml-library.ts';
import { within } from '../support/nvml-node.ts';

const skip = mustSkip(await standInLibrary(), 'the test of what labels are made from');

const cluster = '0a00000000000000000000000000000b';
const fabric = { clusterUuid: '0a000000-0000-0000-0000-00000000000b', cliqueId: 7 };
const facts = [
  'gpus 4',
  `gpu 0 cluster ${cluster}`,
  'gpu 0 clique 7',
  `gpu 1 cluster ${cluster}`,
  'links 1 0',
  'gpu 2 virtualization 2',
  'gpu 3 virtualization 1',
].join('\n');
const calls = ['nvmlDeviceGetGpuFabricInfoV', 'nvmlDeviceGetVirtualizationMode'];

describe.skipIf(skip)('what labels are made from', () => {
  test('the NVLink fabric, where one is joined and reaches beyond this machine; vGPU', () =>
    within(facts, async ({ driver }) => {
      const { gpus } = await driver.snapshot();
      expect(gpus.map((gpu) => gpu.fabric)).toEqual([fabric, null, null, null]);
      expect(gpus.map(({ isVirtual }) => isVirtual)).toEqual([false, false, true, false]);
    }));

  test('what the driver does not tell is null, and costs nothing', () =>
    within(
      facts,
      async ({ driver }) => {
        const { gpus } = await driver.snapshot();
        const untold = [null, null, null];
        expect(gpus.map((gpu) => [gpu.fabric, gpu.isVirtual, gpu.error])).toEqual([
          untold,
          untold,
          untold,
          untold,
        ]);
      },
      { without: calls },
    ));

  test('a call that fails costs the GPU nothing either', () =>
    within([facts, ...calls.map((call) => `fault ${call} * return 999`)].join('\n'), async ({ driver }) => {
      const [gpu] = (await driver.snapshot()).gpus;
      expect(gpu).toMatchObject({ fabric: null, isVirtual: null, error: null });
    }));

  test('the engines of MIG instances', () => {
    const mig = ['gpus 1', 'gpu 0 mig on', 'mig 0 2 0 3g.40gb 40448', 'mig 0 9 0 1g.10gb+me 9984'];
    return within(mig.join('\n'), async ({ driver }) => {
      const [gpu] = (await driver.snapshot()).gpus;
      expect(gpu?.migInstances.map(({ engines }) => engines)).toEqual([
        { multiprocessors: 60, copy: 3, decoder: 3, encoder: 0, jpeg: 3, ofa: 0 },
        { multiprocessors: 16, copy: 1, decoder: 1, encoder: 0, jpeg: 1, ofa: 1 },
      ]);
    });
  });
});
