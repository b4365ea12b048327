import type { Gpu, MigInstance, Snapshot, UnreadableGpu } from '../gpu.ts';
import { readText } from './fields.ts';
import type { HandleFailure } from './handle-failures.ts';
import type { ListedGpu, ListedMigDevice } from './list.ts';
import type { QueriedGpu, QueriedMigDevice } from './query.ts';

/** All that was learnt from nvidia-smi for one snapshot, parsed. */
export interface SmiAnswers {
  readonly driverVersion: string | null;
  readonly cudaVersion: string | null;
  /** GPUs by their index, from `-q`. */
  readonly gpus: readonly { readonly index: number; readonly gpu: QueriedGpu }[];
  readonly failures: readonly (Pick<HandleFailure, 'error'> & {
    readonly index: number;
    readonly pciBusId: string | null;
  })[];
  /** From `-L`; empty where it was not asked because no GPU is in MIG mode. */
  readonly list: readonly ListedGpu[];
  /** From `--query-gpu=uuid,compute_cap`. */
  readonly computeCapabilities: ReadonlyMap<string, string | null>;
}

/** Joins the answers of nvidia-smi's commands into a snapshot. Links and NUMA nodes are not among what they say. */
export function toSnapshot(answers: SmiAnswers): Snapshot {
  const gpus: Gpu[] = [];
  const unreadable: UnreadableGpu[] = answers.failures.map(({ index, pciBusId, error }) => ({
    index,
    pciBusId,
    error,
  }));
  for (const { index, gpu } of answers.gpus) {
    const { uuid, pciBusId } = gpu;
    const twin = gpus.find((other) => other.uuid === uuid);
    if (uuid !== null && twin === undefined) gpus.push(toGpu(uuid, index, gpu, answers));
    else
      unreadable.push({
        index,
        pciBusId,
        error: gpu.fault ?? `it has the same UUID as GPU ${twin?.index ?? '?'}`,
      });
  }
  return {
    driver: 'smi',
    driverVersion: answers.driverVersion,
    cudaVersion: answers.cudaVersion,
    gpus: gpus.toSorted((left, right) => left.index - right.index),
    unreadable: unreadable.toSorted((left, right) => left.index - right.index),
  };
}

/** The compute capability of each GPU, from the rows of `--query-gpu=uuid,compute_cap`. */
export function toComputeCapabilities(
  rows: readonly ReadonlyMap<string, string>[],
): Map<string, string | null> {
  return new Map(
    rows.flatMap((row) => {
      const uuid = readText(row.get('uuid'));
      const capability = readText(row.get('compute_cap'));
      const known = capability !== null && /^\d{1,2}\.\d{1,2}$/.test(capability);
      return uuid === null ? [] : [[uuid, known ? capability : null] as const];
    }),
  );
}

function toGpu(uuid: string, index: number, gpu: QueriedGpu, answers: SmiAnswers): Gpu {
  const listed = answers.list.find((entry) => entry.uuid === uuid);
  return {
    uuid,
    index,
    minor: gpu.minor,
    pciBusId: gpu.pciBusId,
    name: gpu.name ?? 'unknown GPU',
    architecture: gpu.architecture,
    computeCapability: answers.computeCapabilities.get(uuid) ?? null,
    memoryTotalMiB: gpu.memoryTotalMiB,
    memoryReservedMiB: gpu.memoryReservedMiB,
    memoryUsedMiB: gpu.memoryUsedMiB,
    numaNode: null,
    mig: gpu.mig,
    migInstances: toMigInstances(gpu.migDevices, listed?.migDevices ?? []),
    links: [],
    error: gpu.fault,
  };
}

/** `-q` knows the instance ids, `-L` the UUID and the profile; what only one of them shows is just coming or going. */
function toMigInstances(
  queried: readonly QueriedMigDevice[],
  listed: readonly ListedMigDevice[],
): MigInstance[] {
  const instances = queried.flatMap(({ index, gpuInstanceId, computeInstanceId, memoryMiB }) => {
    const entry = listed.find((candidate) => candidate.index === index);
    if (entry === undefined) return [];
    const { uuid, profile } = entry;
    return [
      {
        uuid,
        gpuInstanceId,
        computeInstanceId,
        profile,
        memoryMiB,
        ...readSlices(profile),
        capabilityNodes: [],
      },
    ];
  });
  return instances.toSorted(
    (left, right) =>
      left.gpuInstanceId - right.gpuInstanceId || left.computeInstanceId - right.computeInstanceId,
  );
}

/** `3g.20gb` has three slices for both; `1c.3g.20gb` is one compute slice of three. */
function readSlices(profile: string): Pick<MigInstance, 'gpuSlices' | 'computeSlices'> {
  const match = /^(?:(\d{1,2})c\.)?(\d{1,2})g\./.exec(profile);
  if (match === null) return { gpuSlices: null, computeSlices: null };
  const gpuSlices = Number(match[2]);
  return { gpuSlices, computeSlices: match[1] === undefined ? gpuSlices : Number(match[1]) };
}
