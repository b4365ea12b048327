import type { Gpu, MigInstance, Snapshot, UnreadableGpu } from './gpu.ts';
import { compareMigInstances } from './mig-profile.ts';

/**
 * Gives a GPU that fell off the bus its identity back: an `unreadable` entry at the place of a GPU that was known and is
 * now missing becomes that GPU again, with the entry's error and index. The place is the PCI address. Where one of the two
 * has no address it is the index, as long as indexes have not shifted: as many GPUs are counted as before, and each one that
 * answers is where it was. A GPU that answers with an error keeps what it said before and does not say now, its MIG
 * instances among it: an instance that cannot be read is not gone. Nothing else changes.
 * @param previous the last result of this function, or null at the start
 */
export function rememberLost(previous: Snapshot | null, current: Snapshot): Snapshot {
  if (previous === null) return current;
  return rememberUnreadable(previous, rememberSick(previous, current));
}

function rememberUnreadable(previous: Snapshot, current: Snapshot): Snapshot {
  if (current.unreadable.length === 0) return current;
  const answering = new Set(current.gpus.map(({ uuid }) => uuid));
  const missing = previous.gpus.filter(({ uuid }) => !answering.has(uuid));
  const found = new Map<UnreadableGpu, Gpu>();
  for (const isPlaceOf of haveShifted(previous, current) ? [hasAddressOf] : [hasAddressOf, hasIndexOf]) {
    for (const entry of current.unreadable) {
      if (found.has(entry)) continue;
      const taken = new Set(found.values());
      const gpu = missing.find((candidate) => !taken.has(candidate) && isPlaceOf(entry, candidate));
      if (gpu !== undefined) found.set(entry, gpu);
    }
  }
  const lost = [...found].map(([entry, gpu]) => markLost(gpu, entry));
  return {
    ...current,
    gpus: [...current.gpus, ...lost].toSorted((left, right) => left.index - right.index),
    unreadable: current.unreadable.filter((entry) => !found.has(entry)),
  };
}

function rememberSick(previous: Snapshot, current: Snapshot): Snapshot {
  if (current.gpus.every(({ error }) => error === null)) return current;
  const before = new Map(previous.gpus.map((gpu) => [gpu.uuid, gpu]));
  return { ...current, gpus: current.gpus.map((gpu) => complete(gpu, before.get(gpu.uuid))) };
}

/** What a GPU is, and keeps being while it does not say so; not what changes by the minute. */
const lasting = [
  'minor',
  'pciBusId',
  'architecture',
  'computeCapability',
  'memoryTotalMiB',
  'memoryReservedMiB',
  'numaNode',
  'pciClass',
  'isVirtual',
  'fabric',
] as const satisfies readonly (keyof Gpu)[];

function complete(gpu: Gpu, before: Gpu | undefined): Gpu {
  if (gpu.error === null || before === undefined) return gpu;
  const mig = gpu.mig ?? before.mig;
  const kept = Object.fromEntries(lasting.map((key) => [key, gpu[key] ?? before[key]]));
  return {
    ...gpu,
    ...(kept as Pick<Gpu, (typeof lasting)[number]>),
    name: gpu.name === '' ? before.name : gpu.name,
    mig,
    migInstances: mig?.current === true ? mergeInstances(gpu.migInstances, before.migInstances) : [],
  };
}

/** An instance of before is gone only where another one has its ids. */
function mergeInstances(now: readonly MigInstance[], before: readonly MigInstance[]): MigInstance[] {
  const silent = before.filter((old) =>
    now.every((instance) => instance.uuid !== old.uuid && compareMigInstances(instance, old) !== 0),
  );
  return [...now, ...silent].toSorted(compareMigInstances);
}

function haveShifted(previous: Snapshot, current: Snapshot): boolean {
  const count = ({ gpus, unreadable }: Snapshot): number => gpus.length + unreadable.length;
  const indexes = new Map(previous.gpus.map(({ uuid, index }) => [uuid, index]));
  return (
    count(previous) !== count(current) ||
    current.gpus.some(({ uuid, index }) => (indexes.get(uuid) ?? index) !== index)
  );
}

function hasAddressOf(entry: UnreadableGpu, gpu: Gpu): boolean {
  return entry.pciBusId !== null && entry.pciBusId === gpu.pciBusId;
}

function hasIndexOf(entry: UnreadableGpu, gpu: Gpu): boolean {
  return (entry.pciBusId === null || gpu.pciBusId === null) && entry.index === gpu.index;
}

function markLost(gpu: Gpu, { index, error }: UnreadableGpu): Gpu {
  return { ...gpu, index, error, memoryUsedMiB: null };
}
