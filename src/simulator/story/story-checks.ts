import type { Pod, PodSpec } from '../kubelet/pod.ts';
import { gpuResource, type StoryNode } from './story-node.ts';

/** A step of the demo: what is done, and the promise that is put to the test. `run` throws when it is broken. */
export interface StoryStep {
  readonly title: string;
  readonly promise: string;
  /** What takes more than a moment, and why, for those who look on; absent when nothing does. */
  readonly waits?: string;
  readonly run: (node: StoryNode) => Promise<readonly string[]>;
}

/** How long a step waits for what is about to happen. */
export const deadlineMs = 45_000;

type Kubelet = StoryNode['kubelet'];

/** Throws when a promise is broken. */
export function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

/** A pod of one container. */
export function podSpec(name: string, devices: number, resource: string = gpuResource): PodSpec {
  return { name, containers: [{ name: 'main', resources: { [resource]: devices } }] };
}

/** Puts a pod of one container on the node that has to run. */
export async function admit(
  kubelet: Kubelet,
  name: string,
  devices: number,
  resource: string = gpuResource,
): Promise<Pod> {
  const pod = await kubelet.admit(podSpec(name, devices, resource));
  check(pod.phase === 'Running', `pod ${name} is ${pod.phase}: ${pod.message}`);
  return pod;
}

/** The pod of this name; throws when it is gone. */
export function podNamed(kubelet: Kubelet, name: string): Pod {
  const pod = kubelet.pods.find((each) => each.name === name);
  if (pod === undefined) throw new Error(`pod ${name} is gone`);
  return pod;
}

/** What the node's status says of a resource. */
export function statusOf(
  kubelet: Kubelet,
  resource: string = gpuResource,
): { capacity: number; allocatable: number } {
  return kubelet.nodeStatus()[resource] ?? { capacity: 0, allocatable: 0 };
}

/** What a pod's only container sees as its GPUs. */
export function visible(kubelet: Kubelet, pod: Pod): string {
  const holding = kubelet.holdings().find((each) => each.pod.uid === pod.uid);
  return holding?.response.envs['NVIDIA_VISIBLE_DEVICES'] ?? '';
}

/** Every container with its GPUs, as one text to compare. */
export function bookings(kubelet: Kubelet): string {
  const lines = kubelet
    .holdings()
    .map(({ pod, container, ids }) => `${pod.uid}/${container}: ${ids.toSorted().join(' ')}`);
  return lines.toSorted().join('\n');
}

/** Each container sees what was booked for it. */
export function checkEnvironments(kubelet: Kubelet): void {
  for (const { pod, ids, response } of kubelet.holdings()) {
    const seen = (response.envs['NVIDIA_VISIBLE_DEVICES'] ?? '').split(',').toSorted();
    check(
      seen.join() === ids.toSorted().join(),
      `pod ${pod.name} was booked ${ids.join()} and sees ${seen.join()}`,
    );
  }
}

/** No device is held by two containers. */
export function checkNothingTwice(kubelet: Kubelet): void {
  const twice = kubelet.duplicates().map(({ id, holders }) => `${id} is held by ${holders.join(' and ')}`);
  check(twice.length === 0, twice.join('; '));
}

/** The first GPU of a list and how many follow. */
export function shorten(list: string): string {
  const [first = '', ...others] = list.split(',');
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}
