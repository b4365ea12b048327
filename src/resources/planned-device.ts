/** One device of a resource as it should be listed now: a whole GPU, a MIG instance, or a time slice of one of them. */
export interface PlannedDevice {
  /** What the kubelet calls it: `GPU-…`, `MIG-…`, and `::<n>` after that for a time slice. */
  readonly id: string;
  /** The GPU that it is, or is a part of. */
  readonly gpu: PlannedGpu;
  /** `null` for a whole GPU. */
  readonly mig: PlannedInstance | null;
  /** Number of the time slice, from 0; `null` for a device that is not shared. */
  readonly replica: number | null;
  /** `null` for a device that can be handed out; otherwise why it cannot, in words for a person. */
  readonly fault: string | null;
  /** For the kubelet's topology hints; set on all devices of a resource or on none. */
  readonly numaNode: number | null;
}

/** What an Allocate answer needs to know of the GPU behind a device. */
export interface PlannedGpu {
  readonly uuid: string;
  readonly index: number;
  /** N of `/dev/nvidiaN`; `null` when the driver did not say. */
  readonly minor: number | null;
  readonly memoryTotalMiB: number | null;
}

/** What an Allocate answer needs to know of a MIG instance. */
export interface PlannedInstance {
  readonly uuid: string;
  /** Position among the GPU's instances: j of `i:j`, which shifts when another instance disappears. */
  readonly position: number;
  readonly profile: string;
  readonly memoryMiB: number | null;
  /** Device nodes that let a container use the instance; empty when the driver did not say. */
  readonly capabilityNodes: readonly string[];
}

/** UUID of the piece of hardware: the MIG instance's, or the GPU's. The time slices of one piece share it. */
export function hardwareUuid({ gpu, mig }: Pick<PlannedDevice, 'gpu' | 'mig'>): string {
  return mig?.uuid ?? gpu.uuid;
}

/** Position of the piece of hardware: `i` of a GPU, `i:j` of a MIG instance. */
export function hardwareIndex({ gpu, mig }: Pick<PlannedDevice, 'gpu' | 'mig'>): string {
  return mig === null ? String(gpu.index) : `${gpu.index}:${mig.position}`;
}

/** The order of every list: by GPU, then by MIG instance, then by time slice. */
export function compareDevices(one: PlannedDevice, other: PlannedDevice): number {
  return (
    one.gpu.index - other.gpu.index ||
    (one.mig?.position ?? -1) - (other.mig?.position ?? -1) ||
    (one.replica ?? -1) - (other.replica ?? -1) ||
    (one.id < other.id ? -1 : Number(one.id > other.id))
  );
}

/** The same order among pieces of hardware. */
export function compareHardware(
  one: Pick<PlannedDevice, 'gpu' | 'mig'>,
  other: Pick<PlannedDevice, 'gpu' | 'mig'>,
): number {
  return (
    one.gpu.index - other.gpu.index ||
    (one.mig?.position ?? -1) - (other.mig?.position ?? -1) ||
    (hardwareUuid(one) < hardwareUuid(other) ? -1 : Number(hardwareUuid(one) > hardwareUuid(other)))
  );
}
