import { idsText, isPending, type Entry } from './entry.ts';
import type { UsedMemory } from './events.ts';
import type { Holdings } from './holdings.ts';
import { gpuOfId, gpusOf, type NodeGpus } from './node-gpus.ts';

/** Used memory of a GPU that nothing runs on, over what the driver reserves. */
const unusedMiB = 64;
/** Time between two looks at used memory that both have to find a GPU unused. */
const quietMs = 10_000;

/**
 * Marks what a new kubelet has not loaded although it was in the old one's books: the containers run on, and nobody will say when they
 * end. What the old kubelet had dropped before is no orphan, nor is what it did not list any more once its own records were settled, nor an
 * answer that was never seen in its books.
 * @param loaded numbers of the entries that it has loaded
 * @param beforeSequence entries from this number on are younger than the new kubelet
 */
export function markOrphans(
  holdings: Holdings,
  loaded: ReadonlySet<number>,
  beforeSequence: number,
): Holdings {
  const wasSettled = holdings.unsettled === null;
  const entries = holdings.entries.map((entry): Entry => {
    const isOlder = entry.sequence < beforeSequence;
    const hadEnded = wasSettled && entry.vanishedMs !== null;
    const wasBooked = isOlder && !isPending(entry) && !entry.dropped && !hadEnded;
    return loaded.has(entry.sequence) || !wasBooked || entry.afterlife !== null ? entry : asOrphan(entry);
  });
  return { ...holdings, entries };
}

/**
 * Frees the orphans of a GPU without other holders whose memory was seen unused twice, 10 s apart. Two looks are two events; any look
 * that finds more in use, or another holder, begins anew.
 */
export function takeUsedMemory(
  holdings: Holdings,
  gpus: readonly UsedMemory[],
  atMs: number,
  node: NodeGpus,
): Holdings {
  const used = new Map(gpus.map((gpu) => [gpu.uuid, gpu]));
  const quietSinceMs = new Map(
    orphanedGpus(holdings, node).flatMap((uuid) => {
      const gpu = used.get(uuid);
      const since = holdings.quietSinceMs.get(uuid);
      if (gpu === undefined) return since === undefined ? [] : [[uuid, since] as const];
      return gpu.usedMiB <= gpu.reservedMiB + unusedMiB ? [[uuid, since ?? atMs] as const] : [];
    }),
  );
  // A look that says nothing of a GPU is none.
  const free = [...quietSinceMs].flatMap(([uuid, since]) =>
    used.has(uuid) && atMs - since >= quietMs ? [uuid] : [],
  );
  return free.reduce<Holdings>((state, uuid) => freeOrphans(state, uuid, node), {
    ...holdings,
    quietSinceMs,
  });
}

/** Frees what orphans hold on a GPU; what they hold on others stays. */
export function freeOrphans(holdings: Holdings, gpu: string, node: NodeGpus): Holdings {
  const entries = holdings.entries.flatMap((entry): readonly Entry[] => {
    if (!isOrphan(entry) || !gpusOf(entry, node).includes(gpu)) return [entry];
    return withoutGpu(entry, gpu, node);
  });
  const quietSinceMs = new Map([...holdings.quietSinceMs].filter(([uuid]) => uuid !== gpu));
  return { ...holdings, entries, quietSinceMs };
}

/** The entry on its other GPUs; none when it has no other. */
function withoutGpu(entry: Entry, gpu: string, node: NodeGpus): readonly Entry[] {
  if (entry.record !== null) {
    const gpus = entry.record.gpus.filter(({ uuid }) => uuid !== gpu);
    return gpus.length === 0 ? [] : [{ ...entry, record: { ...entry.record, gpus } }];
  }
  // Another plugin's: its ids say where it is, and one that names no GPU is not freed with this one.
  const ids = new Set([...entry.ids].filter((id) => gpuOfId(id, node) !== gpu));
  return ids.size === 0 ? [] : [{ ...entry, ids, idsText: idsText(ids) }];
}

/** UUIDs of the GPUs on which orphans are booked and nothing else is. */
function orphanedGpus(holdings: Holdings, node: NodeGpus): readonly string[] {
  const gpusWhere = (test: (entry: Entry) => boolean): Set<string> =>
    new Set(holdings.entries.filter(test).flatMap((entry) => gpusOf(entry, node)));
  return [...gpusWhere(isOrphan).difference(gpusWhere((entry) => !isOrphan(entry)))];
}

/** The kubelet does not know of it, though it may run on. */
export function isOrphan({ afterlife }: Entry): boolean {
  return afterlife?.kind === 'orphan';
}

/** Its ids are handed out anew by a kubelet that does not know of it, so they are nobody else's here. */
export function asOrphan(entry: Entry): Entry {
  return { ...entry, claim: `orphan ${entry.claim}`, afterlife: { kind: 'orphan' } };
}
