import type { Snapshot } from '../inventory/gpu.ts';
import { listHardware, plannedGpu } from './hardware.ts';
import { assignNames } from './name-hardware.ts';
import { keepOneShape, type ChosenProfiles } from './one-shape.ts';
import { compareDevices, hardwareUuid, type PlannedDevice } from './planned-device.ts';
import { joinRemarks, type Remarks } from './remark.ts';
import type { ResourceName } from './resource-name.ts';
import type { ResourceSettings } from './resource-settings.ts';
import { deviceIds, shareHardware, type SharedHardware } from './share-hardware.ts';

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
export interface PlanCircumstances {
  /** What keeps every GPU from being used, for a person; `null` when nothing does. */
  readonly nodeFault: string | null;
  /** What keeps a GPU or a MIG instance from being used although the driver has nothing against it, by UUID. */
  readonly faults: ReadonlyMap<string, string>;
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

/** The resources of a node, from what its driver says. A node without GPUs offers none. */
export function planResources(
  snapshot: Snapshot,
  settings: ResourceSettings,
  circumstances: PlanCircumstances = noCircumstances,
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
      devices: planDevices(members, circumstances),
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

/**
 * NUMA nodes are given to all usable devices or to none, because the kubelet's topology hints skip devices that have none
 * (kubernetes: pkg/kubelet/cm/devicemanager/topology_hints.go).
 */
function planDevices(
  members: readonly SharedHardware[],
  { nodeFault, faults }: PlanCircumstances,
): readonly PlannedDevice[] {
  const everyNumaKnown = members.every(
    ({ hardware }) => hardware.numaNode !== null || hardware.error !== null,
  );
  return members
    .flatMap((member) => {
      const { hardware } = member;
      const common = {
        gpu: plannedGpu(hardware.gpu),
        mig: hardware.mig,
        fault: hardware.error ?? faults.get(hardwareUuid(hardware)) ?? nodeFault,
        numaNode: everyNumaKnown ? hardware.numaNode : null,
      };
      return deviceIds(member).map((id): PlannedDevice => ({ ...id, ...common }));
    })
    .toSorted(compareDevices);
}
