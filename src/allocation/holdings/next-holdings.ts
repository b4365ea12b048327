import { newEntry, type Entry } from './entry.ts';
import type { HoldingsEvent, ListedDevices, Reading } from './events.ts';
import { countMissed, endReleases, freeEntries } from './free-entries.ts';
import type { Holdings } from './holdings.ts';
import { recall } from './recall.ts';
import type { NodeGpus } from './node-gpus.ts';
import { freeOrphans, markOrphans, takeUsedMemory } from './orphans.ts';
import { settle } from './settle.ts';
import { takeCheckpoint, type Newcomers, type Seen } from './take-checkpoint.ts';
import { takeList } from './take-list.ts';

/** What the rules depend on besides the events. */
export interface HoldingsRules {
  readonly node: NodeGpus;
  /** How long memory stays booked that the kubelet has freed. */
  readonly releaseDelayMs: number;
}

type EventOf<Kind extends HoldingsEvent['kind']> = Extract<HoldingsEvent, { readonly kind: Kind }>;

/** The holdings after an event. */
export function nextHoldings(before: Holdings, event: HoldingsEvent, rules: HoldingsRules): Holdings {
  const holdings = endReleases(before, event.atMs);
  switch (event.kind) {
    case 'checkpoint-found':
      return takeFound(holdings, event, rules);
    case 'kubelet-appeared':
      return takeNewKubelet(holdings, event, rules);
    case 'checkpoint-reread':
      return takeReread(holdings, event, rules);
    case 'listed':
      return takeListOrNone(holdings, event.containers, event.atMs).holdings;
    case 'round':
      return takeRound(holdings, event, rules);
    case 'answered':
      return takeAnswer(holdings, event);
    case 'memory-used':
      return takeUsedMemory(holdings, event.gpus, event.atMs, rules.node);
    case 'acknowledged':
      return freeOrphans(holdings, event.gpu, rules.node);
  }
}

/**
 * What an earlier run saw booked by a former kubelet, and this one has not loaded, is orphaned. One file holds all: when any of it was
 * loaded, nothing was lost, and what is missing has ended.
 */
function takeFound(before: Holdings, event: EventOf<'checkpoint-found'>, { node }: HoldingsRules): Holdings {
  const { kubelet, kept, atMs } = event;
  const empty = { ...before, kubelet };
  const known = kept === null ? empty : recall(empty, kept, atMs);
  const { nextSequence: beforeSequence } = known;
  const recalled = known.entries.filter(({ afterlife }) => afterlife === null);
  const booked = asLoaded(event.checkpoint);
  if (booked === null) {
    const unsettled =
      known.unsettled === null
        ? null
        : { ...known.unsettled, beforeSequence, orphansDue: 'all missing' as const };
    return { ...known, books: 'unreadable', ...(recalled.length > 0 && { unsettled }) };
  }
  const seen = takeCheckpoint(known, booked, { atMs, newcomers: 'inherited' }, node);
  const holdings = hasNone(seen.found, recalled)
    ? markOrphans(seen.holdings, seen.found, beforeSequence)
    : seen.holdings;
  const { unsettled, nextSequence } = holdings;
  const isOld = unsettled === null || atMs - unsettled.sinceMs >= oldKubeletMs;
  return {
    ...holdings,
    books: 'found',
    unsettled: isOld ? null : { ...unsettled, beforeSequence: nextSequence },
  };
}

/** A kubelet that had run for so long when this agent began knows its pods. */
const oldKubeletMs = 60_000;

/** What the kubelet has loaded is what the file says as its socket appears; what is missing there is orphaned. */
function takeNewKubelet(
  holdings: Holdings,
  event: EventOf<'kubelet-appeared'>,
  { node }: HoldingsRules,
): Holdings {
  const booked = asLoaded(event.checkpoint);
  const how = { atMs: event.atMs, newcomers: 'inherited' } as const;
  const seen = booked === null ? null : takeCheckpoint(holdings, booked, how, node);
  const marked =
    seen === null ? holdings : markOrphans(seen.holdings, seen.found, seen.holdings.nextSequence);
  const unsettled = {
    sinceMs: event.atMs,
    beforeSequence: marked.nextSequence,
    lastFound: null,
    orphansDue: seen === null ? ('missing' as const) : ('no' as const),
  };
  return { ...marked, kubelet: event.kubelet, unsettled };
}

function takeReread(holdings: Holdings, event: EventOf<'checkpoint-reread'>, rules: HoldingsRules): Holdings {
  const seen = takeWritten(holdings, event.checkpoint, event.atMs, rules.node);
  if (seen === null) return { ...holdings, books: 'unreadable' };
  const { startedMs, atMs, before } = event;
  const foundBefore = before === null ? null : findIn(seen.holdings, before, atMs, rules.node);
  const look = { startedMs, atMs, found: seen.found, foundBefore };
  return startIfReady(freeEntries(seen.holdings, look, rules.releaseDelayMs));
}

/** Which entries a checkpoint has; `null` when it could not be read. */
function findIn(
  holdings: Holdings,
  checkpoint: Reading,
  atMs: number,
  node: NodeGpus,
): ReadonlySet<number> | null {
  if (typeof checkpoint === 'string') return null;
  return takeCheckpoint(holdings, checkpoint, { atMs, newcomers: 'inherited' }, node).found;
}

function takeRound(holdings: Holdings, event: EventOf<'round'>, rules: HoldingsRules): Holdings {
  const listed = takeListOrNone(
    { ...holdings, lastRoundMs: event.startedMs },
    event.containers,
    event.startedMs,
  );
  const seen = takeWritten(listed.holdings, event.checkpoint, event.atMs, rules.node);
  if (seen === null) return { ...listed.holdings, books: 'unreadable' };
  const look = { ...event, found: seen.found.union(listed.found) };
  const settled = settle(countMissed(seen.holdings, look), look);
  return startIfReady(freeEntries(settled, look, rules.releaseDelayMs));
}

/** A checkpoint that the kubelet wrote for a list of ours; `null` when there is none. */
function takeWritten(holdings: Holdings, checkpoint: Reading, atMs: number, node: NodeGpus): Seen | null {
  // The kubelet writes the file for every list that it receives, so one that is absent now was not read as it was written.
  if (typeof checkpoint === 'string') return null;
  const newcomers: Newcomers = holdings.started ? 'late' : 'inherited';
  const seen = takeCheckpoint(holdings, checkpoint, { atMs, newcomers }, node);
  const fresh = { ...seen.holdings, books: 'fresh' as const };
  if (fresh.unsettled === null || fresh.unsettled.orphansDue === 'no') return { ...seen, holdings: fresh };
  const { beforeSequence, orphansDue } = fresh.unsettled;
  // What is in it was there before this kubelet has shown what it knows.
  const unsettled = { ...fresh.unsettled, beforeSequence: fresh.nextSequence, orphansDue: 'no' as const };
  const settling = { ...fresh, unsettled };
  const older = holdings.entries.filter(
    ({ sequence, afterlife }) => sequence < beforeSequence && afterlife === null,
  );
  if (orphansDue === 'all missing' && !hasNone(seen.found, older)) return { ...seen, holdings: settling };
  return { ...seen, holdings: markOrphans(settling, seen.found, beforeSequence) };
}

function hasNone(found: ReadonlySet<number>, entries: readonly Entry[]): boolean {
  return entries.every(({ sequence }) => !found.has(sequence));
}

function takeListOrNone(holdings: Holdings, containers: readonly ListedDevices[] | null, atMs: number): Seen {
  if (containers !== null) {
    const seen = takeList(holdings, containers, atMs);
    return { ...seen, holdings: startIfReady(seen.holdings) };
  }
  return { holdings: startIfReady({ ...holdings, lastListMs: atMs }), found: new Set() };
}

function startIfReady(holdings: Holdings): Holdings {
  const isReady = holdings.books === 'fresh' && holdings.lastListMs > Number.NEGATIVE_INFINITY;
  return holdings.started || !isReady ? holdings : { ...holdings, started: true };
}

/** An answer is booked before it is given. */
function takeAnswer(holdings: Holdings, event: EventOf<'answered'>): Holdings {
  const sequence = holdings.nextSequence;
  const entry = newEntry({
    sequence,
    owner: null,
    resource: event.resource,
    ids: new Set(event.deviceIds),
    record: event.record,
    late: false,
    claim: event.claim ?? `answer ${sequence}`,
    sinceMs: event.atMs,
  });
  return { ...holdings, entries: [...holdings.entries, entry], nextSequence: sequence + 1 };
}

/** The kubelet takes a missing file for no allocations. */
function asLoaded(checkpoint: Reading): Exclude<Reading, string> | null {
  if (checkpoint === 'unreadable') return null;
  return checkpoint === 'absent' ? [] : checkpoint;
}
