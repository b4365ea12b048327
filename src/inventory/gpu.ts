/**
 * What a driver says of the node's GPUs, as plain values. `null` means "the driver did not say"; a field is never
 * guessed. Memory is in MiB (2^20 bytes).
 */
export interface Snapshot {
  /** Who was asked. */
  readonly driver: DriverKind;
  /** Version of the kernel driver, for example `590.48.01`. */
  readonly driverVersion: string | null;
  /** Highest CUDA version the driver supports, for example `13.1`. */
  readonly cudaVersion: string | null;
  /** Ascending by index. */
  readonly gpus: readonly Gpu[];
  /** GPUs that the driver counts but whose identity could not be read. Ascending by index. */
  readonly unreadable: readonly UnreadableGpu[];
}

export type DriverKind = 'nvml' | 'smi' | 'simulated';

/** One physical GPU. */
export interface Gpu {
  /** `GPU-…`, stable over reboots. */
  readonly uuid: string;
  /** Position in the driver's enumeration; shifts when another GPU disappears. */
  readonly index: number;
  /** N of `/dev/nvidiaN`. */
  readonly minor: number | null;
  /** Domain, bus, device, function in lower case, eight digits of domain: `00000000:1b:00.0`. */
  readonly pciBusId: string | null;
  /** Product name, for example `NVIDIA H100 80GB HBM3`. */
  readonly name: string;
  /** Lower-case family name, for example `hopper`. */
  readonly architecture: string | null;
  /** `major.minor`, for example `9.0`. */
  readonly computeCapability: string | null;
  readonly memoryTotalMiB: number | null;
  /** Memory that the driver keeps for itself, outside every program's reach. */
  readonly memoryReservedMiB: number | null;
  readonly memoryUsedMiB: number | null;
  /** NUMA node; `null` when unknown or when the node has no CPUs. */
  readonly numaNode: number | null;
  /** Class of the PCI device, six hex digits: `030000` is a VGA controller, `030200` a 3D controller. */
  readonly pciClass: string | null;
  /** Whether the driver runs in a virtual machine on a vGPU, a part of a GPU that the host cut off. */
  readonly isVirtual: boolean | null;
  /** The NVLink fabric of several machines that the GPU has joined; `null` where it has joined none. */
  readonly fabric: FabricPlace | null;
  /** `null` where the GPU cannot do MIG. */
  readonly mig: MigMode | null;
  /** MIG instances that could be read, ascending by GPU instance, then compute instance; `error` tells of others. */
  readonly migInstances: readonly MigInstance[];
  /** Connections to other GPUs of this node. */
  readonly links: readonly GpuLink[];
  /**
   * Why the GPU cannot be used, in words for a person; `null` when it answers. A MIG instance that cannot be read is told
   * here: the GPU is not whole then.
   */
  readonly error: string | null;
}

/** Where a GPU is in an NVLink fabric: GPUs of one clique reach each other. */
export interface FabricPlace {
  /** UUID in lower case. */
  readonly clusterUuid: string;
  readonly cliqueId: number;
}

export interface MigMode {
  readonly current: boolean;
  /** What the mode will be after the next GPU reset. */
  readonly pending: boolean;
}

/** A compute instance of a GPU instance: what a container is given. */
export interface MigInstance {
  /** `MIG-…`. */
  readonly uuid: string;
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
  /** Profile name as the driver writes it, for example `1g.10gb+me`. */
  readonly profile: string;
  readonly memoryMiB: number | null;
  /** Compute slices of the GPU instance. */
  readonly gpuSlices: number | null;
  /** Compute slices of the compute instance. */
  readonly computeSlices: number | null;
  readonly engines: MigEngines | null;
  /**
   * Capability device nodes of the GPU instance and of the compute instance, for example `/dev/nvidia-caps/nvidia-cap12`;
   * empty where the kernel driver does not tell them.
   */
  readonly capabilityNodes: readonly string[];
}

/** What a MIG instance computes with; instances of one GPU instance share all of it but the multiprocessors. */
export interface MigEngines {
  readonly multiprocessors: number;
  readonly copy: number;
  readonly decoder: number;
  readonly encoder: number;
  readonly jpeg: number;
  readonly ofa: number;
}

/** How one GPU reaches another. */
export interface GpuLink {
  readonly toUuid: string;
  /** NVLinks that end at the other GPU. */
  readonly nvlinks: number;
  /** NVLinks of this GPU that end at an NVSwitch which the other GPU is joined to as well. */
  readonly nvswitchLinks: number;
  readonly pcie: PcieDistance | null;
}

/** Nearest common point of two GPUs, nearest first (`nvidia-smi topo -m`: -, PIX, PXB, PHB, NODE, SYS). */
export const pcieDistances = [
  'same-board',
  'one-switch',
  'several-switches',
  'host-bridge',
  'same-numa-node',
  'across-numa-nodes',
] as const;
export type PcieDistance = (typeof pcieDistances)[number];

/** A GPU that is counted but does not tell its UUID, so it can be named only by position. */
export interface UnreadableGpu {
  readonly index: number;
  readonly pciBusId: string | null;
  readonly error: string;
}
