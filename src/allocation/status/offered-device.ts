import type { WithheldReason } from '../shown-devices.ts';

/** Why a device is shown Unhealthy. `leaving`: it is no longer offered, and stays listed until nobody can hold it. */
export type UnhealthyReason = WithheldReason | 'leaving';

/** A device of a resource as it is listed now. */
export interface OfferedDevice {
  readonly id: string;
  /** UUID of its GPU; `null` for a unit of memory, which is tied to none. */
  readonly gpu: string | null;
  /** `null`: Healthy. */
  readonly unhealthy: UnhealthyReason | null;
}

/** How many devices are Unhealthy, by the reason. */
export function countUnhealthy(
  devices: readonly OfferedDevice[],
): Readonly<Partial<Record<UnhealthyReason, number>>> {
  const counts: Partial<Record<UnhealthyReason, number>> = {};
  for (const { unhealthy } of devices)
    if (unhealthy !== null) counts[unhealthy] = (counts[unhealthy] ?? 0) + 1;
  return counts;
}
