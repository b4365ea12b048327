import type { Gpu, Snapshot } from '../../src/inventory/gpu.ts';

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
    mig: null,
    migInstances: [],
    links: [],
    error: null,
    ...overrides,
  };
}

/** A snapshot of these GPUs. */
export function snapshotOf(gpus: readonly Gpu[]): Snapshot {
  return { driver: 'simulated', driverVersion: '590.48.01', cudaVersion: '13.1', gpus, unreadable: [] };
}
