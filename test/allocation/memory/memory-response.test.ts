import { describe, expect, it } from 'vitest';
import { buildMemoryResponse } from '../../../src/allocation/memory/memory-response.ts';
import { devicesOf } from '../../support/plans.ts';
import { settings } from '../../support/response-settings.ts';
import { gpu } from '../../support/snapshots.ts';
import type { DeviceNodes } from '../../../src/inventory/device-nodes.ts';

const nodes: DeviceNodes = {
  control: [],
  imexChannels: [],
  gpuNode: (minor) => ({ hostPath: `/dev/nvidia${minor}`, containerPath: `/dev/nvidia${minor}` }),
  capabilityNode: (path) => ({ hostPath: path, containerPath: path }),
};
const [device] = devicesOf([gpu(0)]);

/** The variables of a container with 10 GiB of a GPU of which CUDA sees 32,468 MiB. */
function variables(frameworkEnv: boolean): Readonly<Record<string, string>> {
  if (device === undefined) throw new Error('no device');
  const record = {
    version: 1,
    gpus: [{ uuid: gpu(0).uuid, mib: 10_240 }],
    units: { count: 10, mib: 1024 },
  } as const;
  const grant = { memoryMiB: 10_240, record };
  return buildMemoryResponse(grant, { device, usableMiB: 32_468 }, { ...settings, frameworkEnv }, nodes, null)
    .envs;
}

describe('the answer for a container with memory', () => {
  const always = {
    NVIDIA_VISIBLE_DEVICES: gpu(0).uuid,
    SLICEWISE_GPU_MEMORY_MIB: '10240',
    SLICEWISE_GPU_MEMORY_FRACTION: '0.3153',
  };

  it('tells the amount, and its part of what CUDA sees, rounded down', () => {
    expect(variables(false)).toEqual(always);
  });

  it('sets the variables of frameworks where that is asked for', () => {
    expect(variables(true)).toEqual({
      ...always,
      XLA_PYTHON_CLIENT_MEM_FRACTION: '0.3153',
      FLAGS_fraction_of_gpu_memory_to_use: '0.3153',
    });
  });
});
