import type { GpuIncident } from '../gpu-signs.ts';
import { constants } from './constants.ts';
import { noInstance, type ToldEvent } from './event-set.ts';

/** A GPU as the events about it are told: what the last snapshot said of it. */
export interface WatchedGpu {
  readonly index: number;
  readonly uuid: string;
  readonly pciBusId: string | null;
  readonly isInMigMode: boolean;
  /** Why it does not answer. */
  readonly error: string | null;
}

/** The incident that an event tells of, or null for another kind of event. Only in MIG mode is it about an instance. */
export function toIncident(event: ToldEvent, gpu: WatchedGpu | null): GpuIncident | null {
  const instance = (id: number): number | null =>
    gpu?.isInMigMode === true && id !== noInstance ? id : null;
  const gpuInstanceId = instance(event.gpuInstanceId);
  const place = {
    gpu: gpu?.uuid ?? null,
    pciBusId: gpu?.pciBusId ?? null,
    gpuInstanceId,
    computeInstanceId: gpuInstanceId === null ? null : instance(event.computeInstanceId),
    count: 1,
    source: 'nvml',
  } as const;
  switch (event.type) {
    case constants.nvmlEventTypeXidCriticalError:
      return { ...place, kind: 'xid', xid: event.data };
    case constants.nvmlEventTypeDoubleBitEccError:
      return { ...place, kind: 'uncorrectable-ecc' };
    case constants.nvmlEventTypeGpuUnavailableError:
      return { ...place, kind: 'unavailable' };
    case constants.nvmlEventTypeGpuRecoveryAction:
      return { ...place, kind: 'recovery-action-changed' };
    default:
      return null;
  }
}

/** True for the event that tells of other MIG instances. */
export function changesMig({ type }: ToldEvent): boolean {
  return type === constants.nvmlEventMigConfigChange;
}
