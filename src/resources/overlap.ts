import { hardwareUuid, type PlannedDevice } from './planned-device.ts';
import type { ResourceName } from './resource-name.ts';

/** A device that is listed but no longer planned, and that a pod may hold. */
export interface LeftDevice extends Pick<PlannedDevice, 'id' | 'gpu' | 'mig' | 'replica'> {
  readonly resource: ResourceName;
}

/**
 * The planned devices, those with a fault that cannot be handed out before another one has left: after an edit of the config the same
 * GPU may be planned under another resource, as MIG instances, or in time slices, while a pod holds it as it was. Time slices with
 * different numbers, and different MIG instances, are in nobody's way.
 */
export function blockOverlapping(
  planned: readonly PlannedDevice[],
  left: readonly LeftDevice[],
): readonly PlannedDevice[] {
  if (left.length === 0) return planned;
  const byHardware = new Map<string, HardwareLeft>();
  const instanceOfGpu = new Map<string, LeftDevice>();
  for (const device of left) {
    const uuid = hardwareUuid(device);
    const known = byHardware.get(uuid) ?? {
      any: device,
      whole: null,
      replicas: new Map<number, LeftDevice>(),
    };
    if (device.replica === null) known.whole = device;
    else known.replicas.set(device.replica, device);
    byHardware.set(uuid, known);
    if (device.mig !== null) instanceOfGpu.set(device.gpu.uuid, device);
  }
  return planned.map((device) => {
    const same = byHardware.get(hardwareUuid(device));
    const onSame = device.replica === null ? same?.any : (same?.whole ?? same?.replicas.get(device.replica));
    const other =
      device.mig === null ? instanceOfGpu.get(device.gpu.uuid) : byHardware.get(device.gpu.uuid)?.any;
    const blocker = onSame ?? other;
    if (blocker === undefined || device.fault !== null) return device;
    return {
      ...device,
      fault: `it was offered as ${blocker.id} of ${blocker.resource}, which a pod may still hold`,
    };
  });
}

/** What is left of a GPU or a MIG instance. */
interface HardwareLeft {
  readonly any: LeftDevice;
  whole: LeftDevice | null;
  readonly replicas: Map<number, LeftDevice>;
}
