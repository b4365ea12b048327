import { hardwareIndex, type PlannedDevice } from '../resources/planned-device.ts';
import type { ResourceName } from '../resources/resource-name.ts';

/** Why a request was refused; a closed set, so that it can label a metric. */
export type RefusalReason =
  | 'no-device'
  | 'too-many-devices'
  | 'duplicate-device'
  | 'unknown-device'
  | 'unhealthy-device'
  | 'no-device-node'
  | 'more-than-one-share';

/** The answer to one container's request: the devices in order of GPU index, or a reason that a pod's author reads. */
export type Decision =
  | { readonly kind: 'granted'; readonly devices: readonly PlannedDevice[] }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string };

/** What a request is held against. */
export interface Offer {
  readonly resource: ResourceName;
  /** All listed devices in order of GPU index. */
  readonly devices: readonly PlannedDevice[];
  /** Device nodes are handed out by path, so a GPU or MIG instance whose nodes are unknown cannot be given. */
  readonly needsDeviceNode: boolean;
  /** More than one time slice is refused: a second one gives a container nothing that the first does not. */
  readonly oneShareOnly: boolean;
}

/** Decides on the device ids that the kubelet chose for one container. Ids arrive in random order. */
export function decide(ids: readonly string[], offer: Offer): Decision {
  const { resource, devices } = offer;
  const asked = `${resource}: ${ids.length}`;
  if (ids.length === 0)
    return refuse('no-device', `${resource}: the request names no device. Ask for at least 1.`);
  if (ids.length > devices.length) {
    return refuse('too-many-devices', `${asked} asked, but this node has ${devices.length}. Ask for fewer.`);
  }
  const wanted = new Set(ids);
  if (wanted.size !== ids.length) {
    const twice = ids.find((id, position) => ids.indexOf(id) !== position) ?? '';
    return refuse('duplicate-device', `${asked} asked, and ${quote(twice)} is among them more than once.`);
  }
  const chosen = devices.filter((device) => wanted.has(device.id));
  if (chosen.length !== wanted.size) {
    const known = new Set(devices.map((device) => device.id));
    const unknown = ids.find((id) => !known.has(id)) ?? '';
    return refuse(
      'unknown-device',
      `${asked} asked, but ${quote(unknown)} is none of this node's ${devices.length}. ` +
        'Its devices have changed since the pod was placed here: delete the pod, so that it is placed anew.',
    );
  }
  const shares = chosen.filter((device) => device.replica !== null).length;
  if (offer.oneShareOnly && shares > 1) {
    return refuse(
      'more-than-one-share',
      `${asked} asked, but at most 1 is allowed: the devices are time slices, and more of them give no more of a GPU. ` +
        'Ask for 1. The cluster admin can allow more with sharing.timeSlicing.failRequestsGreaterThanOne: false.',
    );
  }
  return checkUsable(asked, chosen, offer.needsDeviceNode);
}

function checkUsable(asked: string, chosen: readonly PlannedDevice[], needsDeviceNode: boolean): Decision {
  const faulty = chosen.find((device) => device.fault !== null);
  if (faulty !== undefined) {
    return refuse(
      'unhealthy-device',
      `${asked} asked, but ${nameDevice(faulty)} cannot be used: ${faulty.fault}. ` +
        'Delete the pod, so that it is placed on a healthy GPU.',
    );
  }
  const nodeless = needsDeviceNode ? chosen.find((device) => !hasDeviceNodes(device)) : undefined;
  if (nodeless !== undefined) {
    return refuse(
      'no-device-node',
      `${asked} asked, but the driver does not say ${missingNode(nodeless)} ${nameDevice(nodeless)}. ` +
        'The cluster admin can switch passDeviceSpecs off.',
    );
  }
  return { kind: 'granted', devices: chosen };
}

function refuse(reason: RefusalReason, message: string): Decision {
  return { kind: 'refused', reason, message };
}

function hasDeviceNodes({ gpu, mig }: PlannedDevice): boolean {
  return gpu.minor !== null && (mig === null || mig.capabilityNodes.length > 0);
}

function missingNode({ gpu }: PlannedDevice): string {
  return gpu.minor === null ? 'which /dev/nvidia<N> is that of' : 'which nodes of /dev/nvidia-caps belong to';
}

function nameDevice(device: PlannedDevice): string {
  const { gpu, mig } = device;
  return mig === null
    ? `GPU ${gpu.index} (${gpu.uuid})`
    : `MIG instance ${hardwareIndex(device)} (${mig.uuid})`;
}

/** An id from outside, cut to a length that fits a pod's status. */
function quote(id: string): string {
  return JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id);
}
