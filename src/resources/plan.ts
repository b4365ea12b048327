import type { Snapshot } from '../inventory/gpu.ts';
import { listHardware } from './hardware.ts';
import { assignNames } from './name-hardware.ts';
import { keepOneShape, type ChosenProfiles } from './one-shape.ts';
import { planDevices, type DeviceFaults } from './plan-devices.ts';
import type { PlannedDevice } from './planned-device.ts';
import { joinRemarks, type Remarks } from './remark.ts';
import type { ResourceName } from './resource-name.ts';
import type { ResourceSettings } from './resource-settings.ts';
import { shareHardware } from './share-hardware.ts';

/** A resource that the node offers, with its devices in the order of every list. */
export interface ResourcePlan {
  readonly resource: ResourceName;
  readonly devices: readonly PlannedDevice[];
  /** Whether a container that asks for more than one time slice is refused. */
  readonly oneShareOnly: boolean;
}

/** All resources of a node, and what could not be done as asked. */
export interface NodePlan extends Remarks {
  readonly resources: readonly ResourcePlan[];
  /** For the next plan: MIG profiles in force under the strategy `single`. */
  readonly profiles: ChosenProfiles;
}

/** What the plan depends on beside the GPUs and the settings. */
export interface PlanCircumstances extends DeviceFaults {
  /** Those of the plan before. */
  readonly profiles: ChosenProfiles;
  /** UUIDs of GPUs and MIG instances of which the kubelet has booked something, when that has just been read; else empty. */
  readonly held: ReadonlySet<string>;
}

/** Nothing is known but the GPUs. */
export const noCircumstances: PlanCircumstances = {
  nodeFault: null,
  faults: new Map(),
  profiles: new Map(),
  held: new Set(),
};

/**
 * The resources of a node, from what its driver says. A node without GPUs offers none.
 * @param before resources of an earlier plan: a device of which nothing is new is the same object as there, because it can be one of 20,000
 */
export function planResources(
  snapshot: Snapshot,
  settings: ResourceSettings,
  circumstances: PlanCircumstances = noCircumstances,
  before: readonly ResourcePlan[] = [],
): NodePlan {
  const { profiles, held } = circumstances;
  const listed = listHardware(snapshot, settings);
  const assigned = assignNames(listed.hardware, settings);
  const shaped =
    settings.migStrategy === 'single'
      ? keepOneShape(assigned.named, profiles, held)
      : { named: assigned.named, profiles: new Map(), degradations: [] };
  const { shared, remarks } = shareHardware(shaped.named, settings.timeSlicing);
  return {
    resources: [...shared].map(([resource, members]) => ({
      resource,
      devices: planDevices(
        members,
        circumstances,
        before.find((earlier) => earlier.resource === resource)?.devices ?? [],
      ),
      oneShareOnly: settings.timeSlicing?.failRequestsGreaterThanOne ?? false,
    })),
    profiles: shaped.profiles,
    ...joinRemarks(
      listed.remarks,
      assigned.remarks,
      { degradations: shaped.degradations, notices: [] },
      remarks,
    ),
  };
}
