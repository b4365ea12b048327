/** A fully qualified extended resource name, for example `nvidia.com/gpu`. */
export type ResourceName = `${string}/${string}`;

/** The resource of whole GPUs. */
export const gpuResource: ResourceName = 'nvidia.com/gpu';

/** The part after the slash: `gpu` of `nvidia.com/gpu`. */
export function shortName(resource: ResourceName): string {
  return resource.slice(resource.indexOf('/') + 1);
}
