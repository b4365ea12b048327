import type { Gpu, Snapshot } from '../gpu.ts';

/**
 * Gives a GPU that no longer tells its UUID the identity which it had in the snapshot before, so that exactly its own
 * devices become unusable. NVML's order changes only when the set of GPUs does: the index is trusted while as many GPUs
 * are counted as before and every one that answers is where it was.
 */
export function recognise(before: Snapshot | null, now: Snapshot): Snapshot {
  if (before === null || now.unreadable.length === 0 || !sameOrder(before, now)) return now;
  const known = new Map(before.gpus.map((gpu) => [gpu.index, gpu]));
  const gpus: Gpu[] = [...now.gpus];
  for (const { index, error } of now.unreadable) {
    const gpu = known.get(index);
    if (gpu !== undefined) gpus.push({ ...gpu, memoryUsedMiB: null, error });
  }
  return {
    ...now,
    gpus: gpus.sort((a, b) => a.index - b.index),
    unreadable: now.unreadable.filter(({ index }) => !known.has(index)),
  };
}

function sameOrder(before: Snapshot, now: Snapshot): boolean {
  const count = ({ gpus, unreadable }: Snapshot): number => gpus.length + unreadable.length;
  const indexes = new Map(before.gpus.map((gpu) => [gpu.uuid, gpu.index]));
  const places = new Map(before.gpus.map((gpu) => [gpu.index, gpu.uuid]));
  return (
    count(before) === count(now) &&
    now.gpus.every(
      (gpu) =>
        (indexes.get(gpu.uuid) ?? gpu.index) === gpu.index &&
        (places.get(gpu.index) ?? gpu.uuid) === gpu.uuid,
    )
  );
}
