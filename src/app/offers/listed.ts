import type { ListedDevice } from '../../kubelet/contract.ts';

/** A device for the kubelet: the one of the list before when that says the same, so that lists can be compared without a look into them. */
export function listed(
  before: ListedDevice | undefined,
  id: string,
  isHealthy: boolean,
  numaNode: number | null,
): ListedDevice {
  const health = isHealthy ? 'Healthy' : 'Unhealthy';
  if (before?.id === id && before.health === health && before.numaNode === numaNode) return before;
  return { id, health, numaNode };
}

/** True when the kubelet would learn nothing from the other list; both of devices by `listed`. */
export function isSameList(one: readonly ListedDevice[], other: readonly ListedDevice[]): boolean {
  return one.length === other.length && one.every((device, at) => device === other[at]);
}

/** How many devices of a list can and cannot be given out. */
export function countHealth(list: readonly ListedDevice[]): {
  readonly healthy: number;
  readonly unhealthy: number;
} {
  let healthy = 0;
  for (const { health } of list) if (health === 'Healthy') healthy += 1;
  return { healthy, unhealthy: list.length - healthy };
}
