import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Driver } from '../../src/inventory/driver.ts';
import type { MigInstance } from '../../src/inventory/gpu.ts';
import { withMigCapabilities } from '../../src/inventory/mig-capabilities.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';

let procfsRoot: string;

beforeEach(async () => {
  procfsRoot = await mkdtemp(join(tmpdir(), 'proc-'));
});

afterEach(async () => {
  await rm(procfsRoot, { recursive: true, force: true });
});

async function put(path: string, text: string): Promise<void> {
  const file = join(procfsRoot, 'driver', path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

function instance(gpuInstanceId: number, computeInstanceId: number): MigInstance {
  return {
    uuid: `MIG-${gpuInstanceId}-${computeInstanceId}`,
    gpuInstanceId,
    computeInstanceId,
    profile: '1c.2g.20gb',
    memoryMiB: null,
    gpuSlices: 2,
    computeSlices: 1,
    engines: null,
    capabilityNodes: [],
  };
}

/** A GPU with minor 4 and one without, each with instances 3/0, 3/1 and 9/0. */
function openNode(): Driver {
  const migInstances = [instance(3, 0), instance(3, 1), instance(9, 0)];
  const driver: Driver = {
    snapshot: async () =>
      snapshotOf([gpu(0, { minor: 4, migInstances }), gpu(1, { minor: null, migInstances }), gpu(2)]),
    signs: async () => [],
    async *events() {},
    async [Symbol.asyncDispose]() {},
  };
  return withMigCapabilities(driver, { procfsRoot });
}

/** The nodes' numbers, by instance. */
async function readCaps(): Promise<string[][]> {
  const { gpus } = await openNode().snapshot();
  expect(
    gpus.slice(1).flatMap(({ migInstances }) => migInstances.flatMap((one) => one.capabilityNodes)),
  ).toEqual([]);
  return (gpus[0]?.migInstances ?? []).map(({ capabilityNodes }) => [...capabilityNodes]);
}

const access = (minor: string): string =>
  `DeviceFileMinor: ${minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n`;

test('the GPU instance’s node and the compute instance’s', async () => {
  await put('nvidia/capabilities/gpu4/mig/gi3/access', access('543'));
  await put('nvidia/capabilities/gpu4/mig/gi3/ci0/access', access('544'));
  await put('nvidia/capabilities/gpu4/mig/gi3/ci1/access', access('545'));
  await put('nvidia/capabilities/gpu4/mig/gi9/access', access('597'));
  await put('nvidia/capabilities/gpu0/mig/gi9/ci0/access', access('1'));
  expect(await readCaps()).toEqual([
    ['/dev/nvidia-caps/nvidia-cap543', '/dev/nvidia-caps/nvidia-cap544'],
    ['/dev/nvidia-caps/nvidia-cap543', '/dev/nvidia-caps/nvidia-cap545'],
    [],
  ]);
});

test('from the table, where the instance’s own file is not there or says something else', async () => {
  await put('nvidia/capabilities/gpu4/mig/gi3/access', access('543'));
  await put('nvidia/capabilities/gpu4/mig/gi3/ci1/access', access('many'));
  await put(
    'nvidia-caps/mig-minors',
    'config 1\nmonitor 2\ngpu4/gi3/access 7\ngpu4/gi3/ci0/access 8\ngpu4/gi3/ci1/access 9\ngpu14/gi9/access 10\n',
  );
  expect(await readCaps()).toEqual([
    ['/dev/nvidia-caps/nvidia-cap543', '/dev/nvidia-caps/nvidia-cap8'],
    ['/dev/nvidia-caps/nvidia-cap543', '/dev/nvidia-caps/nvidia-cap9'],
    [],
  ]);
});

test('none where the kernel driver tells nothing', async () => {
  expect(await readCaps()).toEqual([[], [], []]);
});
