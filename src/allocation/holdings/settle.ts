import type { Holdings } from './holdings.ts';
import type { Look } from './free-entries.ts';

/** A kubelet's List is empty at first, then partial. */
const settleMs = 10_000;

/**
 * After a new kubelet.sock nothing is freed until 10 s have passed and two rounds in a row have found the same. They are compared in
 * what they say of the entries that were there when it appeared: pods that come and go on a busy node do not put it off for ever.
 */
export function settle(holdings: Holdings, { startedMs, found }: Look): Holdings {
  const { unsettled } = holdings;
  if (unsettled === null || unsettled.orphansDue !== 'no') return holdings;
  const known = holdings.entries.filter(({ sequence }) => sequence < unsettled.beforeSequence);
  const lastFound = known.flatMap(({ sequence }) => (found.has(sequence) ? [sequence] : [])).join(' ');
  const isSettled = startedMs - unsettled.sinceMs >= settleMs && lastFound === unsettled.lastFound;
  return { ...holdings, unsettled: isSettled ? null : { ...unsettled, lastFound } };
}
