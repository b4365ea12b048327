import type { GpuFault, GpuHealth } from '../../src/cluster/gpu-health.ts';

/** A UUID for a GPU of a test. */
export function uuidOf(index: number): string {
  return `GPU-${String(index).padStart(8, '0')}-0000-4000-8000-000000000000`;
}

export function healthy(index: number): GpuHealth {
  return { uuid: uuidOf(index), index, faults: [], notes: [] };
}

export function sick(index: number, ...faults: readonly GpuFault[]): GpuHealth {
  return { ...healthy(index), faults: faults.length === 0 ? [reset] : faults };
}

export const reset: GpuFault = {
  reason: 'GPUResetRequired',
  rank: 5,
  what: 'XID 95 (memory error, not contained)',
  remedy: 'Reset it.',
  isOfWholeGpu: true,
};
export const reboot: GpuFault = {
  reason: 'NodeRebootRequired',
  rank: 2,
  what: 'XID 79 (the GPU has fallen off the bus)',
  remedy: 'Reboot the node.',
  isOfWholeGpu: true,
};
