import type { Entry } from './entry.ts';

/** Who holds what, and how far it can be trusted. A value: each event makes a new one. */
export interface Holdings {
  /** The kubelet that is served: which socket lies at its path; `null` while there is none. */
  readonly kubelet: string | null;
  readonly entries: readonly Entry[];
  readonly nextSequence: number;
  /**
   * The kubelet's checkpoint: `unread`; `found` before we registered; `fresh`: written after a list of ours; `unreadable`, even after
   * a list was sent anew.
   */
  readonly books: 'unread' | 'found' | 'fresh' | 'unreadable';
  /** A fresh checkpoint and a List have been read since this agent began. */
  readonly started: boolean;
  /** When the last List was read and the last round began. */
  readonly lastListMs: number;
  readonly lastRoundMs: number;
  /** Ids by resource of the last List, known entries or not. */
  readonly listedIds: ReadonlyMap<string, ReadonlySet<string>>;
  /** `null` once this kubelet's records are settled; before, nothing is freed that it has not vouched for. */
  readonly unsettled: Unsettled | null;
  /** GPUs on which nothing but orphans is booked and memory was seen unused, and since when. */
  readonly quietSinceMs: ReadonlyMap<string, number>;
}

/** What is known of a kubelet that began a moment ago. */
export interface Unsettled {
  /** When its kubelet.sock appeared. */
  readonly sinceMs: number;
  /** Entries below this number were there when it began. */
  readonly beforeSequence: number;
  /** Which of those the last round found; `null`: there was none yet. */
  readonly lastFound: string | null;
  /**
   * What it has loaded could not be read: the first checkpoint that can be shows it. `missing`: what that lacks is orphaned. `all missing`:
   * the same, but only if it has none of what an earlier run of the agent has kept; `no`: none is due.
   */
  readonly orphansDue: 'no' | 'missing' | 'all missing';
}

/**
 * Nothing is known yet.
 * @param kubeletSinceMs when kubelet.sock appeared, on the clock of all later events; before their time when it was there already
 */
export function noHoldings(kubeletSinceMs: number): Holdings {
  return {
    kubelet: null,
    entries: [],
    nextSequence: 1,
    books: 'unread',
    started: false,
    lastListMs: Number.NEGATIVE_INFINITY,
    lastRoundMs: Number.NEGATIVE_INFINITY,
    listedIds: new Map(),
    unsettled: {
      sinceMs: kubeletSinceMs,
      beforeSequence: Number.POSITIVE_INFINITY,
      lastFound: null,
      orphansDue: 'no',
    },
    quietSinceMs: new Map(),
  };
}
