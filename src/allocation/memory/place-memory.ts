import { memoryIdNumber, memoryResource, type MemoryGpu } from '../../resources/memory-units.ts';
import { isExclusive, type Entry } from '../holdings/entry.ts';
import { countUnits } from '../holdings/gpu-use.ts';
import { gpusOf, isMemory } from '../holdings/node-gpus.ts';
import { isOrphan } from '../holdings/orphans.ts';
import {
  capOf,
  pauseByEntries,
  roomsOf,
  type MemoryOffer,
  type MemoryPause,
  type MemoryRoom,
} from './memory-view.ts';
import { explainNoRoom, explainOverCap, explainPause } from './memory-refusals.ts';
import type { AllocationRecord } from '../record.ts';

/** Why a request for memory was refused; a closed set, so that it can label a metric. */
export type MemoryRefusalReason =
  'no-device' | 'duplicate-device' | 'unknown-device' | 'over-cap' | 'no-room' | MemoryPause;

/** One container's request, by the ids that the kubelet chose. They are tied to no GPU: only their number counts. */
export interface MemoryRequest {
  readonly ids: readonly string[];
  /** Whether the kubelet's books may be read anew before a refusal, or have been for this request. */
  readonly books: 'may-reread' | 'reread';
}

/** A GPU and an amount for a container. */
export interface MemoryGrant {
  readonly kind: 'granted';
  readonly gpu: MemoryGpu;
  readonly units: number;
  /** What the container may use: its units, and what is left below one unit when it has all units of the GPU. */
  readonly memoryMiB: number;
  readonly record: AllocationRecord;
  /** For the `answered` event: whose ids it shares; `null`: nobody's. */
  readonly claim: string | null;
}

/**
 * `reread-first`: it would be refused, or the kubelet's books are not known yet; send a list anew, read the checkpoint written after it,
 * and decide again.
 */
export type MemoryDecision =
  | MemoryGrant
  | { readonly kind: 'reread-first' }
  | {
      readonly kind: 'refused';
      readonly reason: MemoryRefusalReason;
      /** For the pod's author; it lands in the pod's status. */
      readonly message: string;
      /** True when the scheduler was shown more than there is: what is shown is to be damped. */
      readonly isMisfit: boolean;
    };

/** Chooses the GPU for one container's memory. A request frees nothing. */
export function placeMemory({ ids, books }: MemoryRequest, offer: MemoryOffer): MemoryDecision {
  const malformed = findMalformed(ids);
  if (malformed !== null) return { kind: 'refused', isMisfit: false, ...malformed };
  const cap = capOf(offer);
  if (ids.length > cap) {
    const message = explainOverCap(ids.length, offer);
    return { kind: 'refused', reason: 'over-cap', message, isMisfit: true };
  }
  const wanted = new Set(ids);
  const holders = offer.holdings.entries.filter(
    (entry) => isMemory(entry, offer.node) && !entry.ids.isDisjointFrom(wanted),
  );
  if (books === 'may-reread' && holders.some(isShownNow)) return { kind: 'reread-first' };
  const pause = pauseForRequests(offer);
  const rooms = roomsOf(offer);
  const grant =
    pause === null ? (share(wanted, holders, rooms, offer) ?? fitBest(wanted, rooms, offer)) : null;
  if (grant !== null) return grant;
  if (books === 'may-reread') return { kind: 'reread-first' };
  if (pause !== null)
    return {
      kind: 'refused',
      reason: pause,
      message: explainPause(ids.length, pause, offer),
      isMisfit: false,
    };
  return {
    kind: 'refused',
    reason: 'no-room',
    message: explainNoRoom(ids.length, rooms, cap, offer),
    isMisfit: true,
  };
}

/** A request may be decided once the checkpoint is fresh; what is shown waits for a List too. */
function pauseForRequests(offer: MemoryOffer): MemoryPause | null {
  const { books } = offer.holdings;
  if (books === 'unreadable') return 'unreadable-checkpoint';
  return books === 'fresh' ? pauseByEntries(offer) : 'starting';
}

/** An entry that a List has shown is over for the kubelet, which gives its ids out anew; it counts until that is certain. */
function isShownNow(entry: Entry): boolean {
  return entry.shown !== null && entry.afterlife === null;
}

/**
 * Ids that only entries hold which no List has ever shown are shared: those of an init container of this pod, or of a pod that failed
 * its admission. The container stays on such an entry's GPU when both together fit there.
 */
function share(
  wanted: ReadonlySet<string>,
  holders: readonly Entry[],
  rooms: readonly MemoryRoom[],
  offer: MemoryOffer,
): MemoryGrant | null {
  if (holders.length === 0 || holders.some(isExclusive)) return null;
  const fitting = holders.flatMap((holder) =>
    rooms.flatMap((room) => {
      if (!gpusOf(holder, offer.node).includes(room.gpu.uuid) || !isOpen(room)) return [];
      const together = countUnits([...(room.use?.memory ?? []), { claim: holder.claim, ids: wanted }]);
      return together <= room.gpu.units
        ? [{ room, claim: holder.claim, left: room.gpu.units - together }]
        : [];
    }),
  );
  const best = fitting.toSorted((a, b) => a.left - b.left || a.room.gpu.index - b.room.gpu.index)[0];
  return best === undefined ? null : grantOn(best.room.gpu, wanted.size, best.claim, offer);
}

/**
 * The smallest hole that fits. GPUs on which nothing is booked come after the others, so that they stay whole; those with orphans come
 * last, because as long as somebody else is there it cannot be seen that an orphan has ended.
 */
function fitBest(
  wanted: ReadonlySet<string>,
  rooms: readonly MemoryRoom[],
  offer: MemoryOffer,
): MemoryGrant | null {
  const rank = ({ use }: MemoryRoom): number => (use === null ? 1 : use.memory.some(isOrphan) ? 2 : 0);
  const [best] = rooms
    .filter(({ hole }) => hole >= wanted.size)
    .toSorted((a, b) => rank(a) - rank(b) || a.hole - b.hole || a.gpu.index - b.gpu.index);
  return best === undefined ? null : grantOn(best.gpu, wanted.size, null, offer);
}

function isOpen({ fault, use }: MemoryRoom): boolean {
  return fault === null && (use === null || use.whole.length === 0);
}

function grantOn(gpu: MemoryGpu, units: number, claim: string | null, { plan }: MemoryOffer): MemoryGrant {
  const memoryMiB = units * plan.unitMiB + (units === gpu.units ? gpu.restMiB : 0);
  const record: AllocationRecord = {
    version: 1,
    gpus: [{ uuid: gpu.uuid, mib: memoryMiB }],
    units: { count: units, mib: plan.unitMiB },
  };
  return { kind: 'granted', gpu, units, memoryMiB, record, claim };
}

function findMalformed(
  ids: readonly string[],
): { readonly reason: MemoryRefusalReason; readonly message: string } | null {
  const asked = `${memoryResource}: ${ids.length}`;
  if (ids.length === 0)
    return {
      reason: 'no-device',
      message: `${memoryResource}: the request names no device. Ask for at least 1.`,
    };
  const stranger = ids.find((id) => memoryIdNumber(id) === null);
  if (stranger !== undefined) {
    const message = `${asked} asked, but ${JSON.stringify(stranger.slice(0, 80))} is no unit of memory. Delete the pod, so that it is placed anew.`;
    return { reason: 'unknown-device', message };
  }
  if (new Set(ids).size === ids.length) return null;
  return {
    reason: 'duplicate-device',
    message: `${asked} asked, and one of the units is named more than once.`,
  };
}
