import type { Snapshot } from '../inventory/gpu.ts';
import { parseDeviceId } from './device-id.ts';
import type { PlannedDevice } from './planned-device.ts';

/** A device of which only the id is known from the kubelet's records, and what of the node it is by that id. */
export interface BookedDevice {
  readonly device: PlannedDevice;
  /** Whether this node has it: a GPU, or an instance of one. */
  readonly isKnown: boolean;
}

/** Reads ids that pods hold. A device that the node does not have comes last in every list. */
export function findBooked(ids: readonly string[], { gpus }: Snapshot): readonly BookedDevice[] {
  const byUuid = new Map<string, Pick<PlannedDevice, 'gpu' | 'mig'>>();
  for (const { uuid, index, minor, memoryTotalMiB, migInstances } of gpus) {
    const gpu = { uuid, index, minor, memoryTotalMiB };
    byUuid.set(uuid, { gpu, mig: null });
    for (const [position, instance] of migInstances.entries())
      byUuid.set(instance.uuid, { gpu, mig: { ...instance, position } });
  }
  return ids.map((id) => {
    const { uuid, replica } = parseDeviceId(id);
    const known = byUuid.get(uuid);
    const unknown = {
      gpu: { uuid, index: Number.MAX_SAFE_INTEGER, minor: null, memoryTotalMiB: null },
      mig: null,
    };
    const fault =
      known === undefined ? 'a pod holds it and it is not on this node' : 'a pod may still hold it';
    return {
      device: { ...(known ?? unknown), id, replica, fault, numaNode: null },
      isKnown: known !== undefined,
    };
  });
}
