import type { Gpu, MigInstance, Snapshot } from '../../src/inventory/gpu.ts';

/** A healthy GPU with the given index; what a test cares about is overridden. */
export function gpu(index: number, overrides: Partial<Gpu> = {}): Gpu {
  return {
    uuid: `GPU-${String(index).padStart(8, '0')}-0000-0000-0000-000000000000`,
    index,
    minor: index,
    pciBusId: `00000000:${(16 + index).toString(16)}:00.0`,
    name: 'NVIDIA A100-SXM4-40GB',
    architecture: 'ampere',
    computeCapability: '8.0',
    memoryTotalMiB: 40_960,
    memoryReservedMiB: 512,
    memoryUsedMiB: 0,
    numaNode: 0,
    pciClass: '030200',
    isVirtual: false,
    fabric: null,
    mig: null,
    migInstances: [],
    links: [],
    error: null,
    ...overrides,
  };
}

/** A MIG instance with the given GPU instance id; its UUID tells both that and the GPU's index. */
export function instance(gpuInstanceId: number, profile: string, ofGpu = 0): MigInstance {
  const number = ofGpu * 100 + gpuInstanceId;
  return {
    uuid: `MIG-${String(number).padStart(8, '0')}-0000-0000-0000-000000000000`,
    gpuInstanceId,
    computeInstanceId: 0,
    profile,
    memoryMiB: 4864,
    gpuSlices: 1,
    computeSlices: 1,
    engines: { multiprocessors: 14, copy: 1, decoder: 0, encoder: 0, jpeg: 0, ofa: 0 },
    capabilityNodes: [
      `/dev/nvidia-caps/nvidia-cap${2 * number + 3}`,
      `/dev/nvidia-caps/nvidia-cap${2 * number + 4}`,
    ],
  };
}

/** A GPU in MIG mode with instances of these profiles. */
export function migGpu(index: number, profiles: readonly string[], overrides: Partial<Gpu> = {}): Gpu {
  return gpu(index, {
    mig: { current: true, pending: true },
    migInstances: profiles.map((profile, at) => instance(at + 1, profile, index)),
    ...overrides,
  });
}

/** A snapshot of these GPUs. */
export function snapshotOf(gpus: readonly Gpu[]): Snapshot {
  return { driver: 'simulated', driverVersion: '590.48.01', cudaVersion: '13.1', gpus, unreadable: [] };
}
