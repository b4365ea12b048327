import type { UsedMemory } from '../../allocation/holdings/events.ts';
import { isOrphan } from '../../allocation/holdings/orphans.ts';
import type { Gpu } from '../../inventory/gpu.ts';
import type { Node } from '../node.ts';

/**
 * Shows the books what each new reading of the GPUs says of memory in use, while there are orphans. A driver that hangs gives no
 * readings, and one that does not say how much is used, or how much of it is its own, frees nothing.
 */
export async function watchUsedMemory(
  { inventory, books }: Pick<Node, 'inventory' | 'books'>,
  signal: AbortSignal,
): Promise<void> {
  // What was read before may be older than the orphans.
  let seen = inventory.value.reading;
  for await (const { reading } of inventory.values(signal)) {
    if (reading === null || reading === seen) continue;
    seen = reading;
    if (!books.holdings.entries.some(isOrphan)) continue;
    books.apply({
      kind: 'memory-used',
      atMs: reading.readAtMs,
      gpus: reading.snapshot.gpus.flatMap(usedMemory),
    });
  }
}

/** What a driver of a GPU that is lost said last is no word on what is used now. */
function usedMemory({ uuid, error, memoryUsedMiB, memoryReservedMiB }: Gpu): readonly UsedMemory[] {
  if (error !== null || memoryUsedMiB === null || memoryReservedMiB === null) return [];
  return [{ uuid, usedMiB: memoryUsedMiB + memoryReservedMiB, reservedMiB: memoryReservedMiB }];
}
