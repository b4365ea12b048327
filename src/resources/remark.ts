/** What the plan does otherwise than asked, because of the GPUs that there are; a closed set, so that it can label a metric. */
export type DegradationKind =
  | 'mig-hidden'
  | 'mig-without-instances'
  | 'mig-mismatch'
  | 'unusable-name'
  | 'too-many-devices'
  | 'memory-unit-too-small'
  | 'memory-only-without-memory';

/** Something on this node that cannot be offered as the config asks, in words for an administrator. */
export interface Degradation {
  readonly kind: DegradationKind;
  readonly message: string;
}

/** What a plan says of itself. */
export interface Remarks {
  readonly degradations: readonly Degradation[];
  /** Parts of the config that mean nothing on this node, and devices that no part of it means. */
  readonly notices: readonly string[];
}

/** Remarks of several parts as one. */
export function joinRemarks(...parts: readonly Remarks[]): Remarks {
  return {
    degradations: parts.flatMap(({ degradations }) => degradations),
    notices: parts.flatMap(({ notices }) => notices),
  };
}
