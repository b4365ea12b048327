import { decodeRecord } from '../decode-record.ts';
import { encodeRecord } from '../record.ts';
import { isPending, newEntry, type Entry } from './entry.ts';
import type { Holdings } from './holdings.ts';
import type { KeptEntry, KeptHoldings } from './kept-holdings.ts';
import { gpusOf, type NodeGpus } from './node-gpus.ts';
import { asOrphan, isOrphan } from './orphans.ts';

/** What is worth keeping. An answer that was never seen in the kubelet's books is no orphan later, nor is what it has dropped. */
export function toKeep({ kubelet, entries }: Holdings, node: NodeGpus): KeptHoldings {
  const isBooked = (entry: Entry): boolean => entry.afterlife === null && !isPending(entry) && !entry.dropped;
  return {
    kubelet,
    orphans: entries.filter(isOrphan).map((entry) => ({ ...keep(entry), gpus: gpusOf(entry, node) })),
    booked: entries.filter(isBooked).map(keep),
  };
}

/**
 * Takes up what an earlier run has kept: the orphans; and, where the kubelet is another one, what the former one had booked, to be
 * compared with what this one has loaded. The caller leaves out what is of another boot.
 */
export function recall(holdings: Holdings, kept: KeptHoldings, atMs: number): Holdings {
  const isSameKubelet = kept.kubelet !== null && kept.kubelet === holdings.kubelet;
  let { nextSequence } = holdings;
  const revive = (entry: KeptEntry): Entry => fromKept(entry, nextSequence++, atMs);
  const orphans = kept.orphans.map((entry) => asOrphan(revive(entry)));
  const booked = isSameKubelet ? [] : kept.booked.map(revive);
  return { ...holdings, entries: [...holdings.entries, ...orphans, ...booked], nextSequence };
}

function keep({ owner, resource, ids, record, shown }: Entry): KeptEntry {
  return {
    owner,
    resource,
    deviceIds: [...ids],
    record: record === null ? null : encodeRecord(record),
    shown,
  };
}

function fromKept(kept: KeptEntry, sequence: number, atMs: number): Entry {
  const { owner, resource, deviceIds, record, shown } = kept;
  const entry = newEntry({
    sequence,
    owner,
    resource,
    ids: new Set(deviceIds),
    record: record === null ? null : decodeRecord(record),
    late: false,
    claim: owner?.podUid ?? `kept ${sequence}`,
    sinceMs: atMs,
  });
  return { ...entry, checkpointed: true, shown, vanishedMs: shown === null ? null : atMs };
}
