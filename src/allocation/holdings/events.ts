import type { AllocationRecord } from '../record.ts';
import type { KeptHoldings } from './kept-holdings.ts';

/** What the kubelet's checkpoint says of one container and resource. */
export interface BookedDevices {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly deviceIds: readonly string[];
  /** The record in the stored answer's annotations, as text; `null` where there is none. */
  readonly record: string | null;
}

/** What a pod resources List says of one container and resource; several elements for one container count together. */
export interface ListedDevices {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly resourceName: string;
  readonly deviceIds: readonly string[];
}

/** The kubelet's checkpoint as it was read; what other plugins' resources hold may be among it. */
export type Reading = readonly BookedDevices[] | 'absent' | 'unreadable';

/** Everything that changes holdings. Times are milliseconds of one monotonic clock. */
export type HoldingsEvent =
  /** The checkpoint as it was before this agent registered, and what an earlier run in this boot has kept, if any has. */
  | {
      readonly kind: 'checkpoint-found';
      readonly atMs: number;
      readonly kubelet: string | null;
      readonly checkpoint: Reading;
      readonly kept: KeptHoldings | null;
    }
  /** A new kubelet.sock, and the checkpoint as it was at that moment: what this kubelet has loaded. */
  | {
      readonly kind: 'kubelet-appeared';
      readonly atMs: number;
      readonly kubelet: string;
      readonly checkpoint: Reading;
    }
  /**
   * A checkpoint that the kubelet wrote after a list was sent anew, without a List before. `before`: the one that it wrote for another
   * list just before, if there was one; one late write can hide an entry in one of the two, and not in both.
   */
  | ({
      readonly kind: 'checkpoint-reread';
      readonly checkpoint: Reading;
      readonly before: Reading | null;
    } & Span)
  /** A List alone. `null`: the kubelet has no pod resources API. */
  | { readonly kind: 'listed'; readonly atMs: number; readonly containers: readonly ListedDevices[] | null }
  /** A List, a list sent anew after it, and the checkpoint that the kubelet wrote after that. */
  | ({
      readonly kind: 'round';
      readonly containers: readonly ListedDevices[] | null;
      readonly checkpoint: Reading;
    } & Span)
  /** An Allocate that is being granted. */
  | {
      readonly kind: 'answered';
      readonly atMs: number;
      readonly resource: string;
      readonly deviceIds: readonly string[];
      readonly record: AllocationRecord;
      /** From the decision: whose ids are shared; `null`: nobody's. */
      readonly claim: string | null;
    }
  /** What the driver says of memory in use, for GPUs with orphans. */
  | { readonly kind: 'memory-used'; readonly atMs: number; readonly gpus: readonly UsedMemory[] }
  /** An admin says that nothing of an orphan runs on this GPU any more. */
  | { readonly kind: 'acknowledged'; readonly atMs: number; readonly gpu: string };

/** From the first question to the last answer. */
interface Span {
  readonly startedMs: number;
  readonly atMs: number;
}

/** In MiB; `usedMiB` counts what the driver keeps for itself too. */
export interface UsedMemory {
  readonly uuid: string;
  readonly usedMiB: number;
  readonly reservedMiB: number;
}
