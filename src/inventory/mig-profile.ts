import type { MigInstance } from './gpu.ts';

/** Compute slices of a MIG profile. */
export type MigSlices = Pick<MigInstance, 'gpuSlices' | 'computeSlices'>;

/**
 * The slices that a profile's name tells: `3g.20gb` has three for both, `1c.3g.20gb` is one compute slice of three. Null for
 * a name of another shape.
 */
export function slicesOf(profile: string): MigSlices {
  const match = /^(?:(\d{1,2})c\.)?(\d{1,2})g\./.exec(profile);
  if (match === null) return { gpuSlices: null, computeSlices: null };
  const gpuSlices = Number(match[2]);
  return { gpuSlices, computeSlices: match[1] === undefined ? gpuSlices : Number(match[1]) };
}

/** By GPU instance, then compute instance: the order of a snapshot. */
export function compareMigInstances(
  left: Pick<MigInstance, 'gpuInstanceId' | 'computeInstanceId'>,
  right: Pick<MigInstance, 'gpuInstanceId' | 'computeInstanceId'>,
): number {
  return left.gpuInstanceId - right.gpuInstanceId || left.computeInstanceId - right.computeInstanceId;
}

/**
 * The profile by NVIDIA's rule for names: slices, and the GPU's memory in GiB by the eighths that the instance has of it
 * (MIG user guide, "MIG device names"). Suffixes such as `+me` do not follow from these figures.
 */
export function nameProfile(
  { gpuSlices, computeSlices }: { readonly gpuSlices: number; readonly computeSlices: number },
  memoryMiB: number,
  gpuMemoryMiB: number,
): string {
  const eighths = Math.ceil((8 * memoryMiB) / gpuMemoryMiB);
  const gigabytes = Math.round((eighths / 8) * Math.ceil(gpuMemoryMiB / 1024));
  return withComputeSlices(`${gpuSlices}g.${gigabytes}gb`, { gpuSlices, computeSlices });
}

/** The name of a compute instance in a GPU instance of the profile: `1c.` before it where it is a part of it. */
export function withComputeSlices(
  gpuProfile: string,
  { gpuSlices, computeSlices }: { readonly gpuSlices: number; readonly computeSlices: number },
): string {
  return computeSlices === gpuSlices ? gpuProfile : `${computeSlices}c.${gpuProfile}`;
}
