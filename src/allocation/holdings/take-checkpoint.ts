import { decodeRecord } from '../decode-record.ts';
import type { AllocationRecord } from '../record.ts';
import { idsText, newEntry, type Entry } from './entry.ts';
import type { BookedDevices } from './events.ts';
import type { Holdings } from './holdings.ts';
import { gpuOfId, type NodeGpus } from './node-gpus.ts';

/** Holdings after a look at one of the kubelet's sources, and the numbers of the entries that it had. */
export interface Seen {
  readonly holdings: Holdings;
  readonly found: ReadonlySet<number>;
}

/** How an entry that is new and has no record is taken: the GPU that it names is held whole, or nobody may build on it. */
export type Newcomers = 'inherited' | 'late';

/**
 * Takes over what a checkpoint says. An entry that is known is confirmed; an answer of ours is recognized by its ids and its record,
 * and gets its owner; anything else is new.
 */
export function takeCheckpoint(
  holdings: Holdings,
  checkpoint: readonly BookedDevices[],
  how: { readonly atMs: number; readonly newcomers: Newcomers },
  node: NodeGpus,
): Seen {
  const entries = new Map(holdings.entries.map((entry) => [entry.sequence, entry]));
  const byIds = Map.groupBy(holdings.entries, (entry) => idsKey(entry.resource, entry.idsText));
  const renamed = new Map<string, string>();
  const found = new Set<number>();
  let { nextSequence } = holdings;
  for (const booked of checkpoint) {
    const record = booked.record === null ? null : decodeRecord(booked.record);
    if (booked.deviceIds.length === 0 || !isOurs(booked, record, node)) continue;
    const alike = (byIds.get(idsKey(booked.resource, idsText(booked.deviceIds))) ?? []).filter(
      (entry) => !found.has(entry.sequence) && isSameRecord(entry.record, record),
    );
    const known =
      alike.find((entry) => isOwner(entry, booked)) ?? alike.findLast((entry) => isUnowned(entry));
    const { podUid, container } = booked;
    const entry =
      known ??
      newEntry({
        sequence: nextSequence++,
        owner: { podUid, container },
        resource: booked.resource,
        ids: new Set(booked.deviceIds),
        record,
        late: record === null && how.newcomers === 'late',
        claim: podUid,
        sinceMs: how.atMs,
      });
    if (entry.claim !== podUid) renamed.set(entry.claim, podUid);
    found.add(entry.sequence);
    entries.set(entry.sequence, {
      ...entry,
      owner: { podUid, container },
      claim: podUid,
      checkpointed: true,
      dropped: false,
      afterlife: null,
    });
  }
  const named = [...entries.values()].map((entry) => rename(entry, renamed));
  return { holdings: { ...holdings, entries: named, nextSequence }, found };
}

/** An answer that shares ids with one whose owner is known now shares them with that pod. */
function rename(entry: Entry, renamed: ReadonlyMap<string, string>): Entry {
  const claim = entry.owner === null ? renamed.get(entry.claim) : undefined;
  return claim === undefined ? entry : { ...entry, claim };
}

function idsKey(resource: string, ids: string): string {
  return `${resource} ${ids}`;
}

/** Entries of devices that are no GPUs are none of our business. */
function isOurs(booked: BookedDevices, record: AllocationRecord | null, node: NodeGpus): boolean {
  if (record !== null || booked.resource === node.memoryResource) return true;
  return booked.deviceIds.some((id) => gpuOfId(id, node) !== null || id.startsWith('MIG-'));
}

function isOwner({ owner }: Entry, { podUid, container }: BookedDevices): boolean {
  return owner !== null && owner.podUid === podUid && owner.container === container;
}

function isUnowned({ owner, record }: Entry): boolean {
  return owner === null && record !== null;
}

function isSameRecord(a: AllocationRecord | null, b: AllocationRecord | null): boolean {
  return a === b || (a !== null && b !== null && textOf(a) === textOf(b));
}

/** A record as text, equal for equal records whatever the order in which they were built. */
function textOf({ gpus, units }: AllocationRecord): string {
  const named = gpus.map(({ uuid, mig = null, mib }) => [uuid, mig, mib]);
  return JSON.stringify([named, units?.count ?? null, units?.mib ?? null]);
}
