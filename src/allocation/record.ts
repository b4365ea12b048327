import type { PlannedDevice } from '../resources/planned-device.ts';

/** Annotation of every Allocate answer that says what was booked. */
export const recordAnnotation = 'slicewise.io/allocation';

/**
 * What one container was given. The kubelet keeps the answer in its checkpoint before the container starts, so a later
 * run of the agent, older or newer, rebuilds from there which GPU is booked by whom.
 */
export interface AllocationRecord {
  /** Format of this record. */
  readonly version: 1;
  /** In order of index, each once. */
  readonly gpus: readonly RecordedGpu[];
}

/** A GPU, or a part of one. */
interface RecordedGpu {
  readonly uuid: string;
  /** The MIG instance that was given; left out for a whole GPU. */
  readonly mig?: string;
  /** Memory of what was given. */
  readonly mib: number | null;
}

/** The record as the annotation's value: one line of JSON. */
export function encodeRecord(record: AllocationRecord): string {
  return JSON.stringify(record);
}

/** A device as the record has it; the time slices of one GPU are that GPU. */
export function recordedGpu({ gpu, mig }: Pick<PlannedDevice, 'gpu' | 'mig'>): RecordedGpu {
  if (mig === null) return { uuid: gpu.uuid, mib: gpu.memoryTotalMiB };
  return { uuid: gpu.uuid, mig: mig.uuid, mib: mig.memoryMiB };
}
