import type { ListedDevice } from '../kubelet/contract.ts';

/** True when the kubelet would learn nothing from the other list. */
export function isSameList(one: readonly ListedDevice[], other: readonly ListedDevice[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ id, health, numaNode }, at) => {
      const before = other[at];
      return id === before?.id && health === before.health && numaNode === before.numaNode;
    })
  );
}
