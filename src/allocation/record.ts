/** Annotation of every Allocate answer that says what was booked. */
export const recordAnnotation = 'slicewise.io/allocation';

/**
 * What one container was given. The kubelet keeps the answer in its checkpoint before the container starts, so a later
 * run of the agent, older or newer, rebuilds from there which GPU is booked by whom.
 */
export interface AllocationRecord {
  /** Format of this record. */
  readonly version: 1;
  readonly gpus: readonly { readonly uuid: string; readonly mib: number | null }[];
  /** For GPU memory: how many units were given, and what a unit was then. */
  readonly units?: { readonly count: number; readonly mib: number };
}

/** The record as the annotation's value: one line of JSON. */
export function encodeRecord(record: AllocationRecord): string {
  return JSON.stringify(record);
}
