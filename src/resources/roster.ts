import { compareDevices, type PlannedDevice } from './planned-device.ts';

/** A listed device, and since when it waits to leave the list (`null`: it stays). Milliseconds of a monotonic clock. */
export interface RosterDevice extends PlannedDevice {
  readonly leavingSinceMs: number | null;
  /** Whether a pod can hold it: it has been Healthy once, or the kubelet has it booked. */
  readonly mayBeHeld: boolean;
}

/** How long a device stays listed as Unhealthy before it may leave. */
export const leavingMs = 10_000;

/** What keeps a device on the list although it is no longer planned. */
export interface RosterHolds {
  readonly nowMs: number;
  /** Ids that a pod holds, or that an Allocate call named a moment ago. */
  readonly inUse: Pick<ReadonlySet<string>, 'has'>;
  /** Why a device is no longer planned, for a person; one that left before keeps its reason where this is left out. */
  readonly whyGone?: (device: PlannedDevice) => string;
}

/**
 * The next list of a resource. A device that is no longer planned leaves in two steps: first it is listed Unhealthy for
 * at least `leavingMs`, and only when nobody uses it does it vanish. The kubelet looks allocated ids up in its newest
 * list without checking that they are there (kubernetes: pkg/kubelet/cm/devicemanager/manager.go), so an id that
 * disappears at the wrong moment would crash it. A device of which nothing is new is the same object as in the list before, and so is the
 * list.
 */
export function nextRoster(
  previous: readonly RosterDevice[],
  planned: readonly PlannedDevice[],
  { nowMs, inUse, whyGone }: RosterHolds,
): readonly RosterDevice[] {
  if (hasSameIds(previous, planned)) {
    const same = planned.map((device, at) => stay(device, previous[at]));
    return same.every((device, at) => device === previous[at]) ? previous : same;
  }
  const plannedIds = new Set(planned.map((device) => device.id));
  const heldBefore = new Set(previous.filter((device) => device.mayBeHeld).map((device) => device.id));
  const leaving = previous
    .filter((device) => !plannedIds.has(device.id))
    .map((device) => ({
      ...device,
      fault: whyGone?.(device) ?? device.fault ?? 'it is no longer offered',
      leavingSinceMs: device.leavingSinceMs ?? nowMs,
    }))
    .filter((device) => inUse.has(device.id) || nowMs - device.leavingSinceMs < leavingMs);
  const staying = planned.map((device) => ({
    ...device,
    leavingSinceMs: null,
    mayBeHeld: device.fault === null || heldBefore.has(device.id),
  }));
  return [...staying, ...leaving].toSorted(compareDevices);
}

/** True when both have the same ids in the same order. */
export function hasSameIds(
  one: readonly Pick<PlannedDevice, 'id'>[],
  other: readonly Pick<PlannedDevice, 'id'>[],
): boolean {
  return one.length === other.length && one.every((device, at) => device.id === other[at]?.id);
}

/** A planned device that was listed before. */
function stay(device: PlannedDevice, before: RosterDevice | undefined): RosterDevice {
  const { id, gpu, mig, replica, fault, numaNode } = device;
  const mayBeHeld = fault === null || before?.mayBeHeld === true;
  if (
    before?.leavingSinceMs === null &&
    before.fault === fault &&
    before.gpu === gpu &&
    before.mig === mig &&
    before.numaNode === numaNode &&
    before.mayBeHeld === mayBeHeld
  )
    return before;
  return { id, gpu, mig, replica, fault, numaNode, leavingSinceMs: null, mayBeHeld };
}
