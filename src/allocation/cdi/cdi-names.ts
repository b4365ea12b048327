/**
 * The vendor under which this agent describes devices to container runtimes. NVIDIA's plugin has the same, so that containers
 * which it started can be started again after this agent has taken its place.
 */
const cdiVendor = 'k8s.device-plugin.nvidia.com';

/** What a container may be given by CDI name: GPUs, IMEX channels, and the additions that are asked for as a whole. */
export const cdiClasses = ['gpu', 'imex-channel', 'gdrcopy', 'gds', 'mofed'] as const;
export type CdiClass = (typeof cdiClasses)[number];

/** The names by which containers are given devices. */
export interface CdiNames {
  /** By the UUID of the GPU or of the MIG instance. */
  readonly gpus: ReadonlyMap<string, string>;
  /** What every container with a GPU is given besides. */
  readonly others: readonly string[];
}

/** The kind of our spec of a class, for example `k8s.device-plugin.nvidia.com/gpu`. */
export function ownKind(cdiClass: CdiClass): string {
  return `${cdiVendor}/${cdiClass}`;
}

/** The name of the file that holds our spec of a class, in the folder for specs. */
export function ownFileName(cdiClass: CdiClass): string {
  return `${cdiVendor}-${cdiClass}.json`;
}

/** A device's full name as a runtime takes it: `kind=name`. */
export function qualify(kind: string, name: string): string {
  return `${kind}=${name}`;
}

/** True for what CDI takes as the name of a device (its SPEC.md: letters, digits, `_-.:`, no mark at either end). */
export function isDeviceName(name: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$/.test(name);
}

/** What CDI takes as a vendor or a class: a letter first, then letters, digits, `_-.`, no mark at the end. */
export function isKind(kind: string): boolean {
  const parts = kind.split('/');
  return parts.length === 2 && parts.every((part) => /^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(part));
}
