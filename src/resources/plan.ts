import type { Gpu, Snapshot } from '../inventory/gpu.ts';
import { gpuResource, type ResourceName } from './resource-name.ts';

/** One device of a resource as it should be listed now. */
export interface PlannedDevice {
  /** What the kubelet calls it: the GPU's UUID. */
  readonly id: string;
  readonly gpu: PlannedGpu;
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

/** A resource that the node offers, with its devices in the order of GPU index. */
export interface ResourcePlan {
  readonly resource: ResourceName;
  readonly devices: readonly PlannedDevice[];
}

/** Products that drive a display and are no compute device, by NVIDIA's names for them. */
const displayOnly = new Set(['DGX Display', 'NVIDIA DGX Display']);

/**
 * The resources of a node, from what its driver says. A node without GPUs offers none.
 * NUMA nodes are given to all usable devices or to none, because the kubelet's topology hints skip devices that have none
 * (kubernetes: pkg/kubelet/cm/devicemanager/topology_hints.go).
 * @param nodeFault what keeps every GPU from being used, for a person; `null` when nothing does
 */
export function planResources(snapshot: Snapshot, nodeFault: string | null = null): readonly ResourcePlan[] {
  const gpus = snapshot.gpus.filter((gpu) => !displayOnly.has(gpu.name));
  if (gpus.length === 0) return [];
  const everyNumaKnown = gpus.every((gpu) => gpu.numaNode !== null || gpu.error !== null);
  const devices = gpus
    .toSorted((a, b) => a.index - b.index)
    .map((gpu) => ({
      id: gpu.uuid,
      gpu: describeGpu(gpu),
      fault: gpu.error ?? nodeFault,
      numaNode: everyNumaKnown ? gpu.numaNode : null,
    }));
  return [{ resource: gpuResource, devices }];
}

function describeGpu({ uuid, index, minor, memoryTotalMiB }: Gpu): PlannedGpu {
  return { uuid, index, minor, memoryTotalMiB };
}
