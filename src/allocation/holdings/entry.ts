import type { AllocationRecord } from '../record.ts';

/** What one container was given of one resource, as far as it is known. */
export interface Entry {
  /** Names the entry; later ones have higher numbers. */
  readonly sequence: number;
  /** `null` until the kubelet's checkpoint has told whose it is. */
  readonly owner: { readonly podUid: string; readonly container: string } | null;
  readonly resource: string;
  readonly ids: ReadonlySet<string>;
  /** The ids as one text, equal for equal sets. */
  readonly idsText: string;
  /** `null` for the answer of another plugin, or one whose record cannot be read. */
  readonly record: AllocationRecord | null;
  /** Without a record, and not yet there when this agent or this kubelet began. */
  readonly late: boolean;
  /**
   * On one GPU an id counts once for each claim. A claim is a pod: its init containers and its app containers share ids. An answer
   * whose owner is not known yet has the claim of the entry that it shares ids with, or one of its own.
   */
  readonly claim: string;
  /** Since when it is known; monotonic milliseconds, as all times here. */
  readonly sinceMs: number;
  /** A checkpoint that this agent read had it. */
  readonly checkpointed: boolean;
  /** By what name a List has shown it; `null`: none ever did. */
  readonly shown: ShownAs | null;
  /** When a List last showed it. */
  readonly listedMs: number | null;
  /** Since when Lists lack it although one had it. */
  readonly vanishedMs: number | null;
  /** The kubelet's checkpoint lacked it although it was not young, or twice: this kubelet has dropped it. */
  readonly dropped: boolean;
  /** Rounds in a row that did not find it. */
  readonly missedRounds: number;
  /** Set once the kubelet does not count it any more although it counts here. */
  readonly afterlife: Afterlife | null;
}

/**
 * `orphan`: the kubelet restarted without knowing of it, so its containers may run on. `releasing`: free for the kubelet, and for us
 * after the configured delay.
 */
export type Afterlife =
  { readonly kind: 'orphan' } | { readonly kind: 'releasing'; readonly untilMs: number };

/** A container as the pod resources API names it. */
export interface ShownAs {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** What is said of a holding by who brings it in. */
type Given = Pick<Entry, 'sequence' | 'owner' | 'resource' | 'ids' | 'record' | 'late' | 'claim' | 'sinceMs'>;

/** An entry that was seen nowhere yet. */
export function newEntry(given: Given): Entry {
  return {
    ...given,
    idsText: idsText(given.ids),
    checkpointed: false,
    shown: null,
    listedMs: null,
    vanishedMs: null,
    dropped: false,
    missedRounds: 0,
    afterlife: null,
  };
}

/** A set of ids as one text, equal for equal sets. */
export function idsText(ids: Iterable<string>): string {
  return [...new Set(ids)].toSorted().join(' ');
}

/** Answered by us, and seen in no List and no checkpoint yet. */
export function isPending(entry: Entry): boolean {
  return !entry.checkpointed && entry.shown === null;
}

/** True when the kubelet may hand out the ids of this entry only after it has ended: nobody shares them. */
export function isExclusive(entry: Entry): boolean {
  return entry.shown !== null || entry.afterlife !== null;
}
