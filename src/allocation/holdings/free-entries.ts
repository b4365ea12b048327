import { isPending, type Entry } from './entry.ts';
import type { Holdings, Unsettled } from './holdings.ts';

/** Writes of the kubelet's checkpoint can overtake each other, so that nothing younger than this is gone because it is missing. */
export const youngMs = 5000;
/** A granted answer that shows up nowhere is given up after this long and two rounds. */
export const pendingMs = 30_000;

/** Times of a look at the kubelet's books, and what was found in them. */
export interface Look {
  readonly startedMs: number;
  readonly atMs: number;
  readonly found: ReadonlySet<number>;
  /** What was found in the checkpoint that was written just before, if there was one: what neither has is gone however young it is. */
  readonly foundBefore?: ReadonlySet<number> | null;
}

/** Counts the looks that did not find an entry, and notes what this kubelet has dropped. */
export function countMissed(holdings: Holdings, { startedMs, found }: Look): Holdings {
  const entries = holdings.entries.map((entry): Entry => {
    if (found.has(entry.sequence)) return entry.missedRounds === 0 ? entry : { ...entry, missedRounds: 0 };
    const isListed = entry.shown !== null && entry.vanishedMs === null;
    const missedRounds = entry.missedRounds + (startedMs > entry.sinceMs ? 1 : 0);
    const isGone = isOld(entry, startedMs) || missedRounds >= 2;
    return { ...entry, missedRounds, dropped: entry.dropped || (entry.checkpointed && !isListed && isGone) };
  });
  return { ...holdings, entries };
}

/**
 * Frees what a round or a re-read checkpoint did not find: an entry that was seen before, once it is not young; an answer that nobody has seen
 * after 30 s and two rounds. Orphans stay. While the kubelet's records are unsettled nothing is freed that this kubelet has not vouched for. For a
 * request, two checkpoints written one after the other are enough in either case: the kubelet, which gives the ids out, has them no more.
 * @param releaseDelayMs how long memory stays booked that the kubelet has freed
 */
export function freeEntries(holdings: Holdings, look: Look, releaseDelayMs: number): Holdings {
  const { unsettled } = holdings;
  const entries = holdings.entries.flatMap((entry): readonly Entry[] => {
    if (look.found.has(entry.sequence) || entry.afterlife !== null) return [entry];
    const isMissingTwice = look.foundBefore?.has(entry.sequence) === false;
    if (!isFree(entry, look, isMissingTwice) || !(isMissingTwice || isVouchedFor(entry, unsettled)))
      return [entry];
    if (isPending(entry) || releaseDelayMs === 0) return [];
    return [
      {
        ...entry,
        claim: `released ${entry.sequence}`,
        afterlife: { kind: 'releasing', untilMs: look.atMs + releaseDelayMs },
      },
    ];
  });
  return { ...holdings, entries };
}

/** Lets go what has been kept for the configured delay. */
export function endReleases(holdings: Holdings, atMs: number): Holdings {
  const isOver = ({ afterlife }: Entry): boolean =>
    afterlife?.kind === 'releasing' && atMs >= afterlife.untilMs;
  if (!holdings.entries.some(isOver)) return holdings;
  return { ...holdings, entries: holdings.entries.filter((entry) => !isOver(entry)) };
}

/**
 * A kubelet that has just started may drop what it loaded before it knows the pod again, and then its absence says nothing. What it has given
 * out itself, and what it has listed, is a pod that it knows: that is gone when it is missing.
 */
function isVouchedFor({ sequence, listedMs }: Entry, unsettled: Unsettled | null): boolean {
  if (unsettled === null) return true;
  const { sinceMs, beforeSequence, orphansDue } = unsettled;
  return (sequence >= beforeSequence && orphansDue === 'no') || (listedMs !== null && listedMs >= sinceMs);
}

function isFree(entry: Entry, { startedMs }: Look, isMissingTwice: boolean): boolean {
  if (!isPending(entry)) return isMissingTwice || isOld(entry, startedMs);
  return startedMs - entry.sinceMs >= pendingMs && entry.missedRounds >= 2;
}

function isOld(entry: Entry, startedMs: number): boolean {
  return startedMs - entry.sinceMs >= youngMs;
}
