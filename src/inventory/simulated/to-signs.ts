import { unknownSigns, type GpuIncident, type GpuSigns } from '../gpu-signs.ts';
import type { IncidentEvent } from './scenario-schema.ts';
import type { SimulatedGpu } from './simulated-gpu.ts';
import { lostReason } from './to-snapshot.ts';

/** What the GPUs that tell their UUID show. */
export function toSigns(gpus: readonly SimulatedGpu[]): GpuSigns[] {
  return gpus
    .filter(({ state }) => state === 'present' || state === 'lost')
    .map((gpu) => (gpu.state === 'lost' ? lostSigns(gpu) : presentSigns(gpu)));
}

/** What the driver tells of an event of the timeline. */
export function toIncident(event: IncidentEvent, gpus: readonly SimulatedGpu[]): GpuIncident {
  const gpu = event.gpu === null ? undefined : gpus[event.gpu];
  const shared = {
    gpu: gpu?.uuid ?? null,
    pciBusId: gpu?.pciBusId ?? null,
    gpuInstanceId: event.gpuInstanceId ?? null,
    computeInstanceId: event.computeInstanceId ?? null,
    count: event.count ?? 1,
    source: 'simulated',
  } as const;
  switch (event.do) {
    case 'xid':
      return { ...shared, kind: 'xid', xid: event.xid };
    case 'ecc':
      return { ...shared, kind: 'uncorrectable-ecc' };
    case 'unavailable':
      return { ...shared, kind: 'unavailable' };
    case 'recovery-action':
      return { ...shared, kind: 'recovery-action-changed' };
  }
}

function lostSigns({ uuid, reason, unmonitored }: SimulatedGpu): GpuSigns {
  return { ...unknownSigns(uuid), lost: reason ?? lostReason, unmonitored };
}

function presentSigns(gpu: SimulatedGpu): GpuSigns {
  const { uuid, recoveryAction, rowRemap, sramThresholdExceeded, slowdowns, nvlinksDown, unmonitored } = gpu;
  return {
    uuid,
    recoveryAction,
    rowRemap,
    sramThresholdExceeded,
    slowdowns,
    nvlinksDown,
    lost: null,
    isUnsure: false,
    unmonitored,
  };
}
