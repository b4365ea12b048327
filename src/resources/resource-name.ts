import { isResourceName } from '../lib/qualified-name.ts';

/** A fully qualified extended resource name, for example `nvidia.com/gpu`. */
export type ResourceName = `${string}/${string}`;

/** The resource of whole GPUs. */
export const gpuResource: ResourceName = 'nvidia.com/gpu';

/** The part after the slash: `gpu` of `nvidia.com/gpu`. */
export function shortName(resource: ResourceName): string {
  return resource.slice(resource.indexOf('/') + 1);
}

/**
 * The resource of a MIG profile: `nvidia.com/mig-1g.10gb.me` for `1g.10gb+me`. A profile of which nothing is known gets its name in
 * the same way; `null` where that gives no name that Kubernetes takes.
 */
export function profileResource(profile: string): ResourceName | null {
  const name = `nvidia.com/mig-${profile.toLowerCase().replaceAll('+', '.')}`;
  return isResourceName(name) ? name : null;
}

/** What a shared resource is called when it shall be told from an unshared one: `nvidia.com/gpu.shared`. */
export function sharedName(resource: ResourceName): ResourceName {
  return `${resource}.shared`;
}
