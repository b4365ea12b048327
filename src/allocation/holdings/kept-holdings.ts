import type { Entry, ShownAs } from './entry.ts';

/** An entry as plain values. */
export interface KeptEntry {
  readonly owner: Entry['owner'];
  readonly resource: string;
  readonly deviceIds: readonly string[];
  /** The record of the answer, as text; `null` where there is none that can be read. */
  readonly record: string | null;
  readonly shown: ShownAs | null;
}

/** An orphan, and the UUIDs of the GPUs on which it is booked. */
export interface KeptOrphan extends KeptEntry {
  readonly gpus: readonly string[];
}

/** What the next run of the agent within this boot has to know of holdings, and cannot learn from the kubelet. */
export interface KeptHoldings {
  /** The kubelet whose books these are. */
  readonly kubelet: string | null;
  readonly orphans: readonly KeptOrphan[];
  /** What the kubelet's books had: what a kubelet that begins while no agent runs has not loaded is orphaned. */
  readonly booked: readonly KeptEntry[];
}
