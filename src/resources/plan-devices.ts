import { plannedGpu } from './hardware.ts';
import { compareHardware, hardwareUuid, type PlannedDevice, type PlannedInstance } from './planned-device.ts';
import { deviceIds, type SharedHardware } from './share-hardware.ts';

/** What keeps devices from being used although the driver has nothing against them. */
export interface DeviceFaults {
  /** Of every GPU, for a person; `null` when there is none. */
  readonly nodeFault: string | null;
  /** Of a GPU or a MIG instance, by UUID. */
  readonly faults: ReadonlyMap<string, string>;
}

/** What all devices of a piece of hardware have in common. */
type Common = Pick<PlannedDevice, 'gpu' | 'mig' | 'fault' | 'numaNode'>;

/**
 * The devices of a resource in the order of every list. NUMA nodes are given to all usable devices or to none, because the kubelet's
 * topology hints skip devices that have none (kubernetes: pkg/kubelet/cm/devicemanager/topology_hints.go).
 * @param before the devices of an earlier plan; what is the same is taken from there, the whole list if nothing is new
 */
export function planDevices(
  members: readonly SharedHardware[],
  { nodeFault, faults }: DeviceFaults,
  before: readonly PlannedDevice[],
): readonly PlannedDevice[] {
  const everyNumaKnown = members.every(
    ({ hardware }) => hardware.numaNode !== null || hardware.error !== null,
  );
  const sorted = members.toSorted((one, other) => compareHardware(one.hardware, other.hardware));
  let at = 0;
  let isNew = false;
  const blocks = sorted.map((member) => {
    const { hardware } = member;
    const common = {
      gpu: plannedGpu(hardware.gpu),
      mig: hardware.mig,
      fault: hardware.error ?? faults.get(hardwareUuid(hardware)) ?? nodeFault,
      numaNode: everyNumaKnown ? hardware.numaNode : null,
    };
    const earlier = blockAt(before, at, hardwareUuid(hardware), member.replicas);
    at += earlier?.length ?? 0;
    const [first] = earlier ?? [];
    if (earlier !== null && first !== undefined && isSame(first, common)) return earlier;
    isNew = true;
    return (earlier ?? deviceIds(member)).map(({ id, replica }): PlannedDevice => ({
      id,
      gpu: common.gpu,
      mig: common.mig,
      replica,
      fault: common.fault,
      numaNode: common.numaNode,
    }));
  });
  return isNew || at !== before.length ? blocks.flat() : before;
}

/** The devices from a place on, if they are just those of the piece of hardware; else `null`. */
function blockAt(
  devices: readonly PlannedDevice[],
  at: number,
  uuid: string,
  replicas: number,
): readonly PlannedDevice[] | null {
  const count = Math.max(1, replicas);
  const first = devices[at];
  const last = devices[at + count - 1];
  const next = devices[at + count];
  if (first === undefined || last === undefined || hardwareUuid(first) !== uuid) return null;
  if (hardwareUuid(last) !== uuid || (next !== undefined && hardwareUuid(next) === uuid)) return null;
  // One device that is not shared and one of a time slice have different ids.
  if ((first.replica === null) !== replicas <= 1) return null;
  return devices.slice(at, at + count);
}

function isSame(device: Common, { gpu, mig, fault, numaNode }: Common): boolean {
  return (
    device.fault === fault &&
    device.numaNode === numaNode &&
    device.gpu.uuid === gpu.uuid &&
    device.gpu.index === gpu.index &&
    device.gpu.minor === gpu.minor &&
    device.gpu.memoryTotalMiB === gpu.memoryTotalMiB &&
    isSameInstance(device.mig, mig)
  );
}

function isSameInstance(one: PlannedInstance | null, other: PlannedInstance | null): boolean {
  if (one === null || other === null) return one === other;
  return (
    one.uuid === other.uuid &&
    one.position === other.position &&
    one.profile === other.profile &&
    one.memoryMiB === other.memoryMiB &&
    one.capabilityNodes.join() === other.capabilityNodes.join()
  );
}
