import { check, deadlineMs, statusOf } from './story-checks.ts';
import { memoryResource, memoryShare, type MemoryShare } from '../memory-share.ts';
import { hasEnded, type Pod, type PodSpec } from '../kubelet/pod.ts';
import type { StoryNode } from './story-node.ts';

const mibPerUnit = 1024;

type Kubelet = StoryNode['kubelet'];

/** What the node offers beyond what its pods have asked for: what the scheduler counts before it sends a pod. */
function offered(kubelet: Kubelet, resource: string): number {
  const running = kubelet.pods.filter((pod) => !hasEnded(pod)).flatMap(({ containers }) => containers);
  const asked = running.reduce((sum, { resources }) => sum + (resources[resource] ?? 0), 0);
  return statusOf(kubelet, resource).allocatable - asked;
}

/** Resolves when the node offers exactly so much. */
export async function waitUntilOffered(kubelet: Kubelet, resource: string, count: number): Promise<void> {
  await kubelet.waitUntil(
    () => offered(kubelet, resource) === count,
    deadlineMs,
    () => `${count} of ${resource} to be offered; now ${offered(kubelet, resource)}`,
  );
}

/** Sends a pod to the node as the scheduler does: when the node offers what it asks for, until then it is Pending. */
export async function admitWhenOffered(kubelet: Kubelet, spec: PodSpec): Promise<Pod> {
  const wanted = Object.entries(spec.containers[0]?.resources ?? {});
  await kubelet.waitUntil(
    () => wanted.every(([resource, count]) => offered(kubelet, resource) >= count),
    deadlineMs,
    () => `room for ${spec.name}, which asks for ${JSON.stringify(wanted)}`,
  );
  const pod = await kubelet.admit(spec);
  check(pod.phase === 'Running', `pod ${pod.name} is ${pod.phase}: ${pod.message}`);
  return pod;
}

/** What a pod's only container was started with. */
export function memoryOf(kubelet: Kubelet, pod: Pod): MemoryShare {
  const holding = kubelet.holdings().find((each) => each.pod.uid === pod.uid);
  if (holding === undefined) throw new Error(`pod ${pod.name} does not run`);
  return memoryShare(holding.response.envs);
}

/**
 * Compares what the containers were started with and what the kubelet has booked: as much memory as units, no GPU beyond what it has, and
 * none whole that another has memory of. Returns the units in use by GPU.
 */
export function checkMemoryBooks(
  kubelet: Kubelet,
  gpuIds: readonly string[],
  unitsPerGpu: number,
): ReadonlyMap<string, number> {
  const used = new Map(gpuIds.map((id) => [id, 0]));
  for (const { pod, resource, ids, response } of kubelet.holdings()) {
    const { gpu, mib } = memoryShare(response.envs);
    const units = resource === memoryResource ? ids.length : unitsPerGpu;
    check(
      resource !== memoryResource || mib === units * mibPerUnit,
      `pod ${pod.name} was booked ${units} GiB and may use ${mib} MiB`,
    );
    check(used.has(gpu), `pod ${pod.name} sees ${gpu}, which is no GPU of this node`);
    const sum = (used.get(gpu) ?? 0) + units;
    check(sum <= unitsPerGpu, `${sum} GiB of ${gpu} are in use, and it has ${unitsPerGpu}`);
    used.set(gpu, sum);
  }
  return used;
}
