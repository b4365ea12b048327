import type { GpuIncident, GpuSigns } from '../inventory/gpu-signs.ts';
import type { MigScope, Verdicts } from './verdict.ts';
import type { XidRules } from './xid.ts';

/** Something that is learned about the health of a node's GPUs. */
export type HealthFact =
  /** The driver tells of something. One that names no GPU is none of a verdict's. */
  | { readonly kind: 'incident'; readonly incident: GpuIncident; readonly scope: MigScope | null }
  /** The driver says how its GPUs are: all that it names. What it has told of since it was asked (wall time) the answer may not know of. */
  | { readonly kind: 'signs'; readonly signs: readonly GpuSigns[]; readonly askedAt?: number }
  /** The driver cannot be asked how its GPUs are; why, for a person. */
  | { readonly kind: 'blind'; readonly reason: string }
  /** Which boot this is. */
  | { readonly kind: 'boot'; readonly bootId: string }
  /** An admin says of these findings of a GPU (by their keys) that it is to be used all the same. */
  | { readonly kind: 'acknowledged'; readonly gpu: string; readonly keys: ReadonlySet<string> }
  /** What an agent that served this node before has written down, and when: wall time, milliseconds since 1970. */
  | { readonly kind: 'recalled'; readonly verdicts: Verdicts; readonly savedAt: number };

/** What a fact is judged by. */
export interface Judging {
  /** Wall time, milliseconds since 1970. */
  readonly now: number;
  readonly rules: HealthRules;
}

/** What the config says of health. */
export interface HealthRules {
  readonly xids: XidRules;
  /** Whether what the driver shows of a GPU can take it out; a GPU that does not answer is out in any case. */
  readonly signsCount: boolean;
}

/** Nothing is configured. */
export const defaultHealthRules: HealthRules = {
  xids: {
    file: { ignore: [], unhealthy: [] },
    disabled: { all: false, xids: [] },
    enabled: { all: false, xids: [] },
  },
  signsCount: true,
};
