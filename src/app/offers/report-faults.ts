import type { Log } from '../../lib/log.ts';
import { hardwareUuid, type PlannedDevice } from '../../resources/planned-device.ts';
import type { ResourceName } from '../../resources/resource-name.ts';
import { hasSameIds } from '../../resources/roster.ts';

/**
 * Says what turned Unhealthy and what is healthy again between two lists: once for a GPU or a MIG instance, however many time slices
 * it has.
 */
export function reportFaults(
  resource: ResourceName,
  before: readonly PlannedDevice[],
  after: readonly PlannedDevice[],
  log: Log,
): void {
  if (before === after) return;
  const changed = changedDevices(before, after);
  const groups = Map.groupBy(changed, (device) => `${hardwareUuid(device)} ${device.fault ?? ''}`);
  for (const devices of groups.values()) {
    for (const { gpu, mig, fault, replica } of devices.slice(0, 1)) {
      const fields = {
        resource,
        gpu: gpu.uuid,
        index: gpu.index,
        ...(mig !== null && { mig: mig.uuid }),
        ...(replica !== null && { timeSlices: devices.length }),
      };
      const what = mig === null ? 'GPU' : 'MIG instance';
      if (fault === null) log.info(fields, `${what} is healthy again`);
      else log.warn({ ...fields, reason: fault }, `${what} is unhealthy`);
    }
  }
}

/** Devices whose fault is another one than before; those of most lists are where they were. */
function changedDevices(
  before: readonly PlannedDevice[],
  after: readonly PlannedDevice[],
): readonly PlannedDevice[] {
  if (hasSameIds(before, after)) return after.filter(({ fault }, at) => fault !== before[at]?.fault);
  const known = new Map(before.map(({ id, fault }) => [id, fault]));
  return after.filter(({ id, fault }) => (known.get(id) ?? null) !== fault);
}
