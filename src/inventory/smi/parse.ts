import type { Gpu, Snapshot, UnreadableGpu } from '../gpu.ts';
import { readText } from './fields.ts';
import type { HandleFailure } from './handle-failures.ts';
import type { ListedGpu } from './list.ts';
import { joinMigInstances } from './mig-instances.ts';
import type { QueriedGpu } from './query.ts';

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

/** True where `-q` and `-L` tell of other MIG devices: one that came or went between the two, or cannot be read. */
export function doMigDevicesDiffer({ gpus, list }: Pick<SmiAnswers, 'gpus' | 'list'>): boolean {
  return gpus.some(({ gpu }) => {
    const listed = list.find((entry) => entry.uuid === gpu.uuid);
    return joinMigInstances(gpu.migDevices, listed?.migDevices ?? []).problem !== null;
  });
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
  const { instances, problem } = joinMigInstances(gpu.migDevices, listed?.migDevices ?? []);
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
    pciClass: null,
    isVirtual: gpu.virtualization === null ? null : gpu.virtualization.toUpperCase() === 'VGPU',
    fabric: gpu.fabric,
    mig: gpu.mig,
    migInstances: instances,
    links: [],
    error: gpu.fault ?? problem,
  };
}
