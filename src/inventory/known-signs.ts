import type { DriverEvent } from './driver.ts';
import { unknownSigns, type GpuIncident, type GpuSigns } from './gpu-signs.ts';
import type { Snapshot } from './gpu.ts';

/**
 * The signs with those of GPUs that do not tell who they are any more: a GPU that the last snapshot has in error and the signs do not have
 * is lost. Whether it is gone or only left alone, its error does not say.
 * @param known the last result of `rememberLost`, or null before the first
 */
export function rememberLostSigns(known: Snapshot | null, signs: readonly GpuSigns[]): readonly GpuSigns[] {
  const told = new Set(signs.map(({ uuid }) => uuid));
  const silent = (known?.gpus ?? []).filter(({ uuid, error }) => error !== null && !told.has(uuid));
  return [
    ...signs,
    ...silent.map(({ uuid, error }) => ({ ...unknownSigns(uuid), lost: error, isUnsure: true })),
  ];
}

/** The event with the GPU's UUID where only its address is told, and the other way round, as far as the GPU is known. */
export function namePlace(known: Snapshot | null, event: DriverEvent): DriverEvent {
  if (event.kind !== 'incident') return event;
  const { gpu: uuid, pciBusId } = event.incident;
  const found = (known?.gpus ?? []).find((gpu) =>
    uuid === null ? pciBusId !== null && gpu.pciBusId === pciBusId : gpu.uuid === uuid,
  );
  if (found === undefined) return event;
  const incident: GpuIncident = {
    ...event.incident,
    gpu: found.uuid,
    pciBusId: pciBusId ?? found.pciBusId,
  };
  return { kind: 'incident', incident };
}
