import { isPending, type Entry } from './entry.ts';
import { pendingMs, youngMs } from './free-entries.ts';
import type { Holdings } from './holdings.ts';

/** Time between two Lists while anything is held; the kubelet allows 100 calls a second to all its clients together. */
const listEveryMs = 1000;
/** Time between two rounds for what no List ever shows. */
const roundEveryMs = 30_000;
/** Time between two rounds while a new kubelet's records settle, or cannot be read. */
const unsettledEveryMs = 5000;
/** Time between two rounds of which the second makes sure of what the first did not find. */
const secondLookMs = 200;
/** After an answer the kubelet needs a moment to write it down. */
const answeredQuietMs = 100;

/** Allocate and GetPreferredAllocation calls of all our resources together. */
export interface Calls {
  readonly open: number;
  readonly lastAnsweredMs: number;
}

/**
 * True when the kubelet may be asked for a List: during an open call it makes the kubelet forget the ids in flight when a pod has died
 * meanwhile.
 */
export function mayList(calls: Calls, nowMs: number): boolean {
  return calls.open === 0 && nowMs - calls.lastAnsweredMs >= answeredQuietMs;
}

/** True when a List is due. */
export function wantsList(holdings: Holdings, nowMs: number): boolean {
  const isNeeded = holdings.entries.length > 0 || !holdings.started;
  return isNeeded && nowMs - holdings.lastListMs >= listEveryMs;
}

/** True when a round is due: a List, a list sent anew, and the checkpoint written after it. */
export function wantsRound(holdings: Holdings, nowMs: number): boolean {
  const { entries, started, books, unsettled, lastRoundMs } = holdings;
  const elapsedMs = nowMs - lastRoundMs;
  if (!started) return elapsedMs >= listEveryMs;
  if (books === 'unreadable') return elapsedMs >= unsettledEveryMs;
  if (entries.some(wantsSecondRound)) return elapsedMs >= secondLookMs;
  // On an idle node too: what is given there later has to be freed like anything else.
  if (unsettled !== null) return elapsedMs >= unsettledEveryMs;
  return entries.some((entry) => entry.afterlife === null && isDue(entry, lastRoundMs, nowMs));
}

/**
 * A second round that does not find it either makes sure that this kubelet has dropped it; until then it would be taken for lost if the
 * kubelet died.
 */
function wantsSecondRound({ checkpointed, missedRounds, dropped, afterlife }: Entry): boolean {
  return checkpointed && missedRounds === 1 && !dropped && afterlife === null;
}

function isDue(entry: Entry, lastRoundMs: number, nowMs: number): boolean {
  // A moment that has come, and that no round has begun after.
  const hasPassed = (momentMs: number): boolean => nowMs >= momentMs && lastRoundMs < momentMs;
  if (entry.vanishedMs !== null) {
    if (hasPassed(entry.vanishedMs) || hasPassed(entry.sinceMs + youngMs)) return true;
    // What the kubelet keeps booked although it does not list it: a pod that is just ending, or one that has failed.
    const waitedMs = nowMs - entry.vanishedMs;
    return nowMs - lastRoundMs >= Math.min(Math.max(listEveryMs, waitedMs / 2), roundEveryMs);
  }
  if (entry.shown !== null) return false;
  if (entry.missedRounds > 0 && hasPassed(entry.sinceMs + youngMs)) return true;
  if (isPending(entry) && (hasPassed(entry.sinceMs + youngMs) || hasPassed(entry.sinceMs + pendingMs)))
    return true;
  return nowMs - lastRoundMs >= roundEveryMs;
}
