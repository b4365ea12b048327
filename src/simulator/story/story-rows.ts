import type { StandInKubelet } from '../kubelet/kubelet.ts';
import { memoryResource, memoryShare } from '../memory-share.ts';
import { podTitle } from '../kubelet/pod.ts';

/** One GPU of the simulated node, or a part of one that is offered by itself, as the kubelet sees it. */
export interface GpuRow {
  readonly index: number;
  readonly id: string;
  /** Of a GPU whose memory is in use that of the units in use: as a whole it is not to be had, and is listed so. */
  readonly health: 'Healthy' | 'Unhealthy' | 'unlisted';
  /** `pod/container`, for memory with its amount, several with commas between; empty when free. */
  readonly heldBy: string;
}

/** The GPUs of a node, or their parts where a resource has parts of a GPU for devices. Units of memory are no part: they belong to no GPU. */
export function gpuRows(kubelet: StandInKubelet, gpuIds: readonly string[]): readonly GpuRow[] {
  const listed = Object.keys(kubelet.nodeStatus())
    .filter((resource) => resource !== memoryResource)
    .flatMap((resource) => kubelet.devices(resource));
  const health = new Map(listed.map((device) => [device.id, device.health]));
  const holders = new Map<string, string>();
  for (const { pod, container, resource, ids, response } of kubelet.holdings()) {
    const name = `${podTitle(pod)}/${container}`;
    if (resource !== memoryResource) for (const id of ids) holders.set(id, name);
    else {
      const { gpu } = memoryShare(response.envs);
      const before = holders.get(gpu);
      holders.set(gpu, `${before === undefined ? '' : `${before}, `}${name} ${ids.length} GiB`);
      health.set(gpu, healthOfUnits(kubelet, ids));
    }
  }
  // A GPU that is offered in parts is shown by these.
  const parts = listed.filter(({ id }) => !gpuIds.includes(id)).map(({ id }) => id);
  const divided = new Set(parts.map((id) => id.replace(/::\d+$/, '')));
  const ids =
    parts.length === 0 ? gpuIds : [...gpuIds.filter((id) => health.has(id) && !divided.has(id)), ...parts];
  return ids.map((id, index) => ({
    index,
    id,
    health: health.get(id) ?? 'unlisted',
    heldBy: holders.get(id) ?? '',
  }));
}

function healthOfUnits(kubelet: StandInKubelet, ids: readonly string[]): 'Healthy' | 'Unhealthy' {
  const units = kubelet.devices(memoryResource).filter(({ id }) => ids.includes(id));
  return units.every(({ health }) => health === 'Healthy') ? 'Healthy' : 'Unhealthy';
}
