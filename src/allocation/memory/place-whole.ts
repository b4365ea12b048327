import { isExclusive, type Entry } from '../holdings/entry.ts';
import { useOfGpus } from '../holdings/gpu-use.ts';
import type { Holdings } from '../holdings/holdings.ts';
import { gpuOfId, type NodeGpus } from '../holdings/node-gpus.ts';
import type { MemoryRequest } from './place-memory.ts';

/** Why a device that is not memory cannot be given; a closed set, so that it can label a metric. */
export type WholeRefusalReason = 'memory-held' | 'device-held' | 'books-unknown';

/** Whether the devices of a request are free as far as holdings know. Its ids are the resource's own business. */
export type WholeDecision =
  | { readonly kind: 'free'; readonly claim: string | null }
  | { readonly kind: 'reread-first' }
  | { readonly kind: 'refused'; readonly reason: WholeRefusalReason; readonly message: string };

/** What is asked for, of a resource other than memory. */
export interface WholeRequest extends MemoryRequest {
  readonly resource: string;
}

/** What whole devices are held against. */
export interface WholeOffer {
  readonly holdings: Holdings;
  readonly node: NodeGpus;
  /** UUIDs of the GPUs that are offered by memory too. */
  readonly memoryGpus: ReadonlySet<string>;
  /**
   * True when the kubelet cannot be made to write down what it has: an entry may be of a pod that has ended, and the kubelet, which gives
   * its very id out anew, knows that better.
   */
  readonly mayBeStale: boolean;
}

/**
 * Holds a request for whole GPUs, replicas or MIG instances against what is booked: a GPU with one unit of memory on it is given in no
 * other way. A device that only an entry holds which no List has ever shown is this pod's own, given to its init container.
 */
export function placeWhole({ ids, books, resource }: WholeRequest, offer: WholeOffer): WholeDecision {
  const problem = findProblem(ids, resource, offer);
  if (problem === null) return { kind: 'free', claim: claimOf(ids, resource, offer) };
  return books === 'may-reread' ? { kind: 'reread-first' } : { kind: 'refused', ...problem };
}

function findProblem(
  ids: readonly string[],
  resource: string,
  { holdings, node, memoryGpus, mayBeStale }: WholeOffer,
): { readonly reason: WholeRefusalReason; readonly message: string } | null {
  const uses = useOfGpus(holdings.entries, node);
  for (const id of ids) {
    const gpu = gpuOfId(id, node);
    if (gpu === null) continue;
    const asked = `${resource}: ${ids.length} asked`;
    const again = 'Delete the pod, so that it is placed on another GPU.';
    if (memoryGpus.has(gpu) && !holdings.started && holdings.books !== 'fresh')
      return {
        reason: 'books-unknown',
        message: `${asked}, but the kubelet's record of what is held on this node is not known yet. Delete the pod, so that it is placed anew.`,
      };
    const use = uses.get(gpu);
    if (use === undefined) continue;
    if (use.memory.length > 0)
      return {
        reason: 'memory-held',
        message: `${asked}, but of the memory of ${gpu} ${use.units === 1 ? '1 unit is' : `${use.units} units are`} held, and a GPU is given whole or by memory. ${again}`,
      };
    const mayHaveEnded = (entry: Entry): boolean =>
      mayBeStale && entry.resource === resource && entry.ids.has(id) && entry.afterlife === null;
    const holder = use.whole.find(
      (entry) => isInTheWay({ id, gpu, resource }, entry) && !mayHaveEnded(entry),
    );
    if (holder !== undefined)
      return {
        reason: 'device-held',
        message: `${asked}, but ${id} is held by ${describeHolder(holder)}. ${again}`,
      };
  }
  return null;
}

/** Parts of one GPU go side by side; the whole goes with no part, and nothing twice. */
function isInTheWay(
  { id, gpu, resource }: { readonly id: string; readonly gpu: string; readonly resource: string },
  entry: Entry,
): boolean {
  if (entry.ids.has(id)) return entry.resource !== resource || isExclusive(entry);
  return id === gpu || entry.ids.has(gpu);
}

function claimOf(ids: readonly string[], resource: string, { holdings }: WholeOffer): string | null {
  const wanted = new Set(ids);
  const sharer = holdings.entries.find(
    (entry) => entry.resource === resource && !entry.ids.isDisjointFrom(wanted),
  );
  return sharer?.claim ?? null;
}

function describeHolder({ shown, owner, afterlife }: Entry): string {
  if (afterlife?.kind === 'orphan') return 'a container that the kubelet has lost sight of';
  if (shown !== null) return `container ${shown.container} of pod ${shown.namespace}/${shown.pod}`;
  return owner === null
    ? 'another container'
    : `container ${owner.container} of the pod with UID ${owner.podUid}`;
}
