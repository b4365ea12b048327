import type { Gpu, GpuLink, MigInstance, MigMode, PcieDistance, Snapshot } from '../gpu.ts';
import type { Scenario } from './assemble-scenario.ts';
import { deriveUuid, type SimulatedGpu } from './simulated-gpu.ts';

/** What the driver of the scenario's node answers. */
export function toSnapshot(scenario: Scenario, gpus: readonly SimulatedGpu[]): Snapshot {
  const counted = gpus
    .map((gpu, position) => ({ gpu, position }))
    .filter(({ gpu }) => gpu.state !== 'absent')
    .map((entry, index) => ({ ...entry, index }));
  return {
    driver: 'simulated',
    driverVersion: scenario.driverVersion,
    cudaVersion: scenario.cudaVersion,
    gpus: counted
      .filter(({ gpu }) => gpu.state !== 'unreadable')
      .map(({ gpu, index, position }) => toGpu(gpu, index, linksOf(scenario, gpus, position))),
    unreadable: counted
      .filter(({ gpu }) => gpu.state === 'unreadable')
      .map(({ gpu, index }) => ({ index, pciBusId: gpu.pciBusId, error: gpu.reason ?? lostReason })),
  };
}

/** What a lost GPU says where the scenario has no words for it. */
export const lostReason = 'GPU is lost';

function toGpu(gpu: SimulatedGpu, index: number, links: readonly GpuLink[]): Gpu {
  return {
    uuid: gpu.uuid,
    index,
    minor: gpu.minor,
    pciBusId: gpu.pciBusId,
    name: gpu.name,
    architecture: gpu.architecture,
    computeCapability: gpu.computeCapability,
    memoryTotalMiB: gpu.memoryTotalMiB,
    memoryReservedMiB: gpu.memoryReservedMiB,
    memoryUsedMiB: gpu.state === 'lost' ? null : gpu.memoryUsedMiB,
    numaNode: gpu.numaNode,
    pciClass: gpu.pciClass,
    isVirtual: gpu.isVirtual,
    fabric: gpu.fabric,
    mig: toMigMode(gpu),
    migInstances: toMigInstances(gpu),
    links,
    error: gpu.state === 'lost' ? (gpu.reason ?? lostReason) : null,
  };
}

function toMigMode({ mig, migPending }: SimulatedGpu): MigMode | null {
  if (mig === 'unsupported') return null;
  const current = mig !== 'off';
  return { current, pending: migPending === null ? current : migPending === 'on' };
}

function toMigInstances(gpu: SimulatedGpu): MigInstance[] {
  if (typeof gpu.mig === 'string') return [];
  return gpu.mig.map((instance) => {
    const { gpuInstanceId, computeInstanceId, profile } = instance;
    return {
      uuid: deriveUuid('MIG', `${gpu.uuid}/${gpuInstanceId}/${computeInstanceId}/${profile}`),
      ...instance,
      capabilityNodes: capabilityNodes(gpu.minor, instance),
    };
  });
}

/**
 * The nodes of the GPU instance and of the compute instance. The kernel module numbers them through
 * (`/proc/driver/nvidia-caps/mig-minors`): after two of its own, 15 GPU instances a GPU, each followed by 8 compute
 * instances.
 */
function capabilityNodes(
  minor: number | null,
  { gpuInstanceId, computeInstanceId }: Pick<MigInstance, 'gpuInstanceId' | 'computeInstanceId'>,
): string[] {
  if (minor === null) return [];
  const first = 3 + minor * 15 * 9 + gpuInstanceId * 9;
  return [first, first + 1 + computeInstanceId].map((cap) => `/dev/nvidia-caps/nvidia-cap${cap}`);
}

function linksOf(scenario: Scenario, gpus: readonly SimulatedGpu[], from: number): GpuLink[] {
  const self = gpus[from];
  if (self?.state !== 'present') return [];
  return gpus.flatMap((other, to) => {
    if (to === from || other.state !== 'present') return [];
    const wired = scenario.links.findLast(
      ({ between: [left, right] }) => (left === from && right === to) || (left === to && right === from),
    );
    return [
      {
        toUuid: other.uuid,
        nvlinks: wired?.nvlinks ?? 0,
        nvswitchLinks: wired?.nvswitchLinks ?? scenario.nvswitchLinks,
        pcie: wired?.pcie === undefined ? distanceOf(self, other) : wired.pcie,
      },
    ];
  });
}

function distanceOf(left: SimulatedGpu, right: SimulatedGpu): PcieDistance {
  if (left.numaNode === null || right.numaNode === null) return 'host-bridge';
  return left.numaNode === right.numaNode ? 'same-numa-node' : 'across-numa-nodes';
}
