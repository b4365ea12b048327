import { memoryId, memoryIdNumber } from '../resources/memory-units.ts';
import type { Entry } from './holdings/entry.ts';
import { useOfGpus, type GpuUse } from './holdings/gpu-use.ts';
import type { Holdings } from './holdings/holdings.ts';
import { gpusOf, isMemory } from './holdings/node-gpus.ts';
import { promisedNow, type MemoryOffer } from './memory/memory-view.ts';

/** Why a device is shown Unhealthy; a closed set, so that it can label a metric. */
export type WithheldReason =
  /** The GPU cannot be used. */
  | 'fault'
  /** Free, and not promised: it might not fit, or nothing new is offered now. */
  | 'not-promised'
  /** The GPU is given in the other way. */
  | 'other-use'
  /** A container may still run on it that the kubelet has lost sight of or let go a moment ago. */
  | 'lingering'
  /** What is held on the GPU is not known yet. */
  | 'books-unknown';

/** A device as the kubelet is to see it; `null`: Healthy. */
export interface ShownDevice {
  readonly id: string;
  readonly withheld: WithheldReason | null;
}

/** A device of a resource other than memory. */
export interface OtherDevice {
  readonly id: string;
  readonly gpu: { readonly uuid: string };
}

/**
 * The list of memory units, in the order of their numbers. Held ids are Healthy unless their GPU has a fault; of the free ones the lowest
 * are, as many as are promised. Ids beyond the node's units are listed while they are held, or while lower ones are held on GPUs that are
 * gone.
 */
export function showMemory(offer: MemoryOffer, nowMs: number): readonly ShownDevice[] {
  const { plan, holdings, node, faults } = offer;
  const entries = holdings.entries.filter((entry) => isMemory(entry, node));
  const held = holderOfIds(entries);
  if (areBooksUnknown(holdings))
    for (const id of holdings.listedIds.get(node.memoryResource) ?? []) if (!held.has(id)) held.set(id, null);
  const isUnusable = (uuid: string): boolean => faults.has(uuid) || !node.known.has(uuid);
  const faulty = new Set(entries.filter((entry) => gpusOf(entry, node).some(isUnusable)));
  const withhold = (entry: Entry | null): WithheldReason | null => {
    if (entry === null) return null;
    return faulty.has(entry) ? 'fault' : entry.afterlife !== null ? 'lingering' : null;
  };
  const shown: ShownDevice[] = [];
  let promised = promisedNow(offer, nowMs);
  let number = 0;
  for (; number < plan.units || promised > 0; number += 1) {
    const id = memoryId(number);
    const holder = held.get(id);
    if (holder === undefined) {
      shown.push({ id, withheld: promised > 0 ? null : 'not-promised' });
      promised -= 1;
    } else shown.push({ id, withheld: withhold(holder) });
  }
  const beyond = [...held]
    .map(([id, entry]) => ({ number: memoryIdNumber(id) ?? Number.MAX_SAFE_INTEGER, id, entry }))
    .filter((each) => each.number >= number)
    .sort((a, b) => a.number - b.number);
  for (const { id, entry } of beyond) shown.push({ id, withheld: withhold(entry) });
  return shown;
}

/**
 * The list of a resource other than memory, in the given order. An id that a container holds is never withheld because of what else is
 * booked: the kubelet kills a pod whose device is Unhealthy when it starts again.
 */
export function showOthers(
  resource: string,
  devices: readonly OtherDevice[],
  offer: Pick<MemoryOffer, 'plan' | 'holdings' | 'node' | 'faults'>,
): readonly ShownDevice[] {
  const { plan, holdings, node, faults } = offer;
  const uses = useOfGpus(holdings.entries, node);
  const memoryGpus = new Set(plan.gpus.map(({ uuid }) => uuid));
  const booksUnknown = areBooksUnknown(holdings);
  const withhold = ({ id, gpu: { uuid } }: OtherDevice): WithheldReason | null => {
    if (faults.has(uuid)) return 'fault';
    const use = uses.get(uuid);
    if (isHeldNow(id, resource, use)) return null;
    if (use !== undefined) return reasonOfUse(id, uuid, use);
    if (!booksUnknown || !memoryGpus.has(uuid)) return null;
    return holdings.listedIds.get(resource)?.has(id) === true ? null : 'books-unknown';
  };
  return devices.map((device) => ({ id: device.id, withheld: withhold(device) }));
}

/** Then a List still tells which ids are held, though not on which GPU. */
function areBooksUnknown({ books }: Holdings): boolean {
  return books === 'unread' || books === 'unreadable';
}

function isHeldNow(id: string, resource: string, use: GpuUse | undefined): boolean {
  const holds = (entry: Entry): boolean =>
    entry.afterlife === null && entry.resource === resource && entry.ids.has(id);
  return use?.whole.some(holds) ?? false;
}

/** For an id that no container holds, on a GPU that is in use. */
function reasonOfUse(id: string, gpu: string, { memory, whole }: GpuUse): WithheldReason | null {
  const entries = [...memory, ...whole];
  if (entries.some(({ afterlife }) => afterlife !== null)) return 'lingering';
  const isTaken = memory.length > 0 || whole.some(({ ids }) => id === gpu || ids.has(gpu));
  return isTaken ? 'other-use' : null;
}

/**
 * The entry that decides on the health of each id: one that counts for the kubelet; of several pods that had it the one that got it last;
 * of the containers of a pod one that Lists show, because init containers have ended by then.
 */
function holderOfIds(entries: readonly Entry[]): Map<string, Entry | null> {
  const newest = new Map<string, number>();
  for (const { claim, sequence } of entries)
    newest.set(claim, Math.max(sequence, newest.get(claim) ?? sequence));
  const compare = (a: Entry, b: Entry): number =>
    Number(a.afterlife === null) - Number(b.afterlife === null) ||
    (newest.get(a.claim) ?? 0) - (newest.get(b.claim) ?? 0) ||
    Number(isListed(a)) - Number(isListed(b)) ||
    a.sequence - b.sequence;
  const weakestFirst = entries.toSorted(compare);
  return new Map(weakestFirst.flatMap((entry) => [...entry.ids].map((id) => [id, entry] as const)));
}

function isListed({ shown, vanishedMs }: Entry): boolean {
  return shown !== null && vanishedMs === null;
}
