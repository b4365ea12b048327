import type { MemoryGpu, MemoryPlan } from '../../resources/memory-units.ts';
import type { Damping } from '../damping.ts';
import type { Entry } from '../holdings/entry.ts';
import { useOfGpus, type GpuUse } from '../holdings/gpu-use.ts';
import type { Holdings } from '../holdings/holdings.ts';
import { isForeign, isMemory, type NodeGpus } from '../holdings/node-gpus.ts';
import { promisedUnits, type Fit } from '../promise.ts';

/** What memory requests are held against, and what its list is made of. */
export interface MemoryOffer {
  readonly plan: MemoryPlan;
  readonly holdings: Holdings;
  readonly node: NodeGpus;
  /** Why a GPU cannot be used, by UUID, in words for a person; offered by memory or not. */
  readonly faults: ReadonlyMap<string, string>;
  /** The most units that one container may ask for; `null`: as many as the largest GPU has. */
  readonly maxPerContainer: number | null;
  readonly fit: Fit;
  readonly damping: Damping;
}

/** A GPU with what is free on it. */
export interface MemoryRoom {
  readonly gpu: MemoryGpu;
  readonly use: GpuUse | null;
  readonly fault: string | null;
  /** Free units; 0 while the GPU is held whole or cannot be used. */
  readonly hole: number;
}

/** Why nothing new is offered of memory. */
export type MemoryPause = 'starting' | 'unreadable-checkpoint' | 'foreign-allocation' | 'other-unit';

/**
 * What is free on each GPU, in order of GPU index.
 * @param uses what is booked on each GPU, where that is at hand
 */
export function roomsOf(
  { plan, holdings, node, faults }: Omit<MemoryOffer, 'fit' | 'damping' | 'maxPerContainer'>,
  uses: ReadonlyMap<string, GpuUse> = useOfGpus(holdings.entries, node),
): readonly MemoryRoom[] {
  return plan.gpus.map((gpu) => {
    const use = uses.get(gpu.uuid) ?? null;
    const fault = faults.get(gpu.uuid) ?? null;
    const isOpen = fault === null && (use === null || use.whole.length === 0);
    return { gpu, use, fault, hole: isOpen ? Math.max(0, gpu.units - (use?.units ?? 0)) : 0 };
  });
}

/** The most units that one container may ask for. */
export function capOf({ plan, maxPerContainer }: Pick<MemoryOffer, 'plan' | 'maxPerContainer'>): number {
  const largest = Math.max(0, ...plan.gpus.map(({ units }) => units));
  return Math.min(maxPerContainer ?? largest, largest);
}

/** Why nothing new is offered of memory now; `null` when it is. */
export function pauseOf({
  plan,
  holdings,
  node,
}: Pick<MemoryOffer, 'plan' | 'holdings' | 'node'>): MemoryPause | null {
  if (holdings.books === 'unreadable') return 'unreadable-checkpoint';
  if (holdings.books === 'unread') return 'starting';
  return pauseByEntries({ plan, holdings, node });
}

/** What in the entries themselves keeps memory from being offered. */
export function pauseByEntries({
  plan,
  holdings,
  node,
}: Pick<MemoryOffer, 'plan' | 'holdings' | 'node'>): MemoryPause | null {
  if (holdings.entries.some((entry) => isForeign(entry, node))) return 'foreign-allocation';
  return holdings.entries.some((entry) => isOfOtherUnit(entry, { plan, node })) ? 'other-unit' : null;
}

/** True for memory that was given in units of another size than the plan's. */
export function isOfOtherUnit(entry: Entry, { plan, node }: Pick<MemoryOffer, 'plan' | 'node'>): boolean {
  const units = entry.record?.units;
  return isMemory(entry, node) && units !== undefined && units.mib !== plan.unitMiB;
}

/**
 * How many free units are promised now.
 * @param rooms what is free on each GPU, where that is at hand
 */
export function promisedNow(offer: MemoryOffer, nowMs: number, rooms?: readonly MemoryRoom[]): number {
  if (pauseOf(offer) !== null) return 0;
  const { fit, damping } = offer;
  return promisedUnits({
    fit,
    holes: (rooms ?? roomsOf(offer)).map(({ hole }) => hole),
    cap: capOf(offer),
    damping,
    nowMs,
  });
}
