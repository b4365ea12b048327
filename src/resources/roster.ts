import type { PlannedDevice } from './plan.ts';

/** A listed device, and since when it waits to leave the list (`null`: it stays). Milliseconds of a monotonic clock. */
export interface RosterDevice extends PlannedDevice {
  readonly leavingSinceMs: number | null;
}

/** How long a device stays listed as Unhealthy before it may leave. */
export const leavingMs = 10_000;

/** What keeps a device on the list although it is no longer planned. */
export interface RosterHolds {
  readonly nowMs: number;
  /** Ids that a pod holds, or that an Allocate call named a moment ago. */
  readonly inUse: ReadonlySet<string>;
}

/**
 * The next list of a resource. A device that is no longer planned leaves in two steps: first it is listed Unhealthy for
 * at least `leavingMs`, and only when nobody uses it does it vanish. The kubelet looks allocated ids up in its newest
 * list without checking that they are there (kubernetes: pkg/kubelet/cm/devicemanager/manager.go), so an id that
 * disappears at the wrong moment would crash it.
 */
export function nextRoster(
  previous: readonly RosterDevice[],
  planned: readonly PlannedDevice[],
  holds: RosterHolds,
): readonly RosterDevice[] {
  const plannedIds = new Set(planned.map((device) => device.id));
  const leaving = previous
    .filter((device) => !plannedIds.has(device.id))
    .map((device) => ({
      ...device,
      fault: 'the GPU is no longer on this node',
      leavingSinceMs: device.leavingSinceMs ?? holds.nowMs,
    }))
    .filter((device) => holds.inUse.has(device.id) || holds.nowMs - device.leavingSinceMs < leavingMs);
  return [...planned.map((device) => ({ ...device, leavingSinceMs: null })), ...leaving].toSorted(
    (a, b) => a.gpu.index - b.gpu.index || a.id.localeCompare(b.id),
  );
}
