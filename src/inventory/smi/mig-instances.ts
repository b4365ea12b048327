import type { MigInstance } from '../gpu.ts';
import { compareMigInstances, slicesOf } from '../mig-profile.ts';
import type { ListedMigDevice } from './list.ts';
import type { QueriedMigDevice } from './query.ts';

/** The MIG instances of a GPU, and which could not be told; null where all could. */
export interface JoinedInstances {
  readonly instances: readonly MigInstance[];
  readonly problem: string | null;
}

/**
 * Joins what `-q` and `-L` say of one GPU's MIG devices by their index: the first knows the instance ids and the memory, the
 * second the UUID and the profile. A device that only one of them shows came or went between the two, or cannot be read.
 */
export function joinMigInstances(
  queried: readonly QueriedMigDevice[],
  listed: readonly ListedMigDevice[],
): JoinedInstances {
  const instances: MigInstance[] = [];
  const problems: string[] = [];
  for (const { index, gpuInstanceId, computeInstanceId, memoryMiB, engines } of queried) {
    const entry = listed.find((candidate) => candidate.index === index);
    if (index === null || gpuInstanceId === null || computeInstanceId === null)
      problems.push(`nvidia-smi -q does not tell the ids of MIG device ${index ?? '?'}`);
    else if (entry === undefined) problems.push(`nvidia-smi -L does not list MIG device ${index}`);
    else {
      const { uuid, profile } = entry;
      const figures = { memoryMiB, ...slicesOf(profile), engines, capabilityNodes: [] };
      instances.push({ uuid, gpuInstanceId, computeInstanceId, profile, ...figures });
    }
  }
  for (const { index, profile } of listed)
    if (!queried.some((candidate) => candidate.index === index))
      problems.push(`nvidia-smi -q does not show MIG device ${index} (${profile})`);
  return {
    instances: instances.toSorted(compareMigInstances),
    problem: problems.length === 0 ? null : problems.join(', '),
  };
}
