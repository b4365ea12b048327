import type { Entry } from './entry.ts';
import { gpusOf, isMemory, type NodeGpus } from './node-gpus.ts';

/** Everything that is booked on one GPU. */
export interface GpuUse {
  /** Memory units: ids, each counted once for each claim. */
  readonly units: number;
  /** Entries of memory. */
  readonly memory: readonly Entry[];
  /** Entries of other resources: they hold the GPU whole. */
  readonly whole: readonly Entry[];
}

/** What is booked on each GPU, by UUID; GPUs without entries are not in it. */
export function useOfGpus(entries: readonly Entry[], node: NodeGpus): ReadonlyMap<string, GpuUse> {
  const byGpu = new Map<string, { memory: Entry[]; whole: Entry[] }>();
  for (const entry of entries) {
    for (const uuid of gpusOf(entry, node)) {
      const use = byGpu.get(uuid) ?? { memory: [], whole: [] };
      (isMemory(entry, node) ? use.memory : use.whole).push(entry);
      byGpu.set(uuid, use);
    }
  }
  return new Map([...byGpu].map(([uuid, use]) => [uuid, { ...use, units: countUnits(use.memory) }] as const));
}

/** Units that entries on one GPU are booked with together. */
export function countUnits(entries: readonly Pick<Entry, 'claim' | 'ids'>[]): number {
  let units = 0;
  for (const [first, ...others] of Map.groupBy(entries, ({ claim }) => claim).values()) {
    if (first === undefined) continue;
    units +=
      others.length === 0 ? first.ids.size : new Set([first, ...others].flatMap(({ ids }) => [...ids])).size;
  }
  return units;
}
