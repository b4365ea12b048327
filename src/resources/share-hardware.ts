import { formatDeviceId } from './device-id.ts';
import { namesDevice } from './device-reference.ts';
import { nameHardware, type Hardware } from './hardware.ts';
import { fittingReplicas } from './list-limits.ts';
import type { NamedHardware } from './name-hardware.ts';
import { hardwareUuid } from './planned-device.ts';
import type { Degradation, Remarks } from './remark.ts';
import { sharedName, type ResourceName } from './resource-name.ts';
import type { SharedResource, TimeSlicing } from './resource-settings.ts';

/** A piece of hardware and how many devices it makes. */
export interface SharedHardware {
  readonly hardware: Hardware;
  /** 1: one device that is not shared. */
  readonly replicas: number;
}

/** What each resource consists of, with the names that sharing gives. */
export type SharedByResource = ReadonlyMap<ResourceName, readonly SharedHardware[]>;

/**
 * Divides hardware into time slices. For each device the first entry counts that names its resource and fits it; a device that no
 * entry fits stays whole.
 */
export function shareHardware(
  named: NamedHardware,
  timeSlicing: TimeSlicing | null,
): { readonly shared: SharedByResource; readonly remarks: Remarks } {
  const entries = timeSlicing?.resources ?? [];
  const claims = new Map<Hardware, SharedResource>();
  const notices = entries.flatMap((entry, index) => claimDevices(entry, index, entries, named, claims));
  const shared = new Map<ResourceName, SharedHardware[]>();
  for (const [resource, members] of named) {
    for (const hardware of members) {
      const entry = claims.get(hardware);
      const replicas = entry?.replicas ?? 1;
      const renamed = replicas > 1 && timeSlicing?.renameByDefault === true ? sharedName(resource) : resource;
      const name = entry?.rename ?? renamed;
      const others = shared.get(name);
      if (others === undefined) shared.set(name, [{ hardware, replicas }]);
      else others.push({ hardware, replicas });
    }
  }
  const degradations: Degradation[] = [];
  for (const [resource, members] of shared) {
    const cap = fittingReplicas(
      members.map(({ hardware, replicas }) => ({ uuid: hardwareUuid(hardware), replicas })),
    );
    if (cap === null) continue;
    degradations.push({ kind: 'too-many-devices', message: tooManyText(resource, members, cap) });
    shared.set(
      resource,
      members.map(({ hardware, replicas }) => ({ hardware, replicas: Math.min(replicas, cap) })),
    );
  }
  return { shared, remarks: { degradations, notices } };
}

/** The ids of a piece of hardware's devices with the numbers of their time slices. */
export function deviceIds({
  hardware,
  replicas,
}: SharedHardware): readonly { id: string; replica: number | null }[] {
  const uuid = hardwareUuid(hardware);
  if (replicas <= 1) return [{ id: uuid, replica: null }];
  return Array.from({ length: replicas }, (_, replica) => ({
    id: formatDeviceId({ uuid, replica }),
    replica,
  }));
}

/** Gives an entry its devices; says what of it means nothing here. */
function claimDevices(
  entry: SharedResource,
  index: number,
  entries: readonly SharedResource[],
  named: NamedHardware,
  claims: Map<Hardware, SharedResource>,
): readonly string[] {
  const key = `sharing.timeSlicing.resources[${index}]`;
  const members = named.get(entry.name) ?? [];
  if (members.length === 0) return [`${key}: there is no ${entry.name} on this node to share`];
  const free = members.filter((hardware) => !claims.has(hardware));
  const { devices } = entry;
  if (devices === 'all' || typeof devices === 'number') {
    const taken = devices === 'all' ? free : free.slice(0, devices);
    for (const hardware of taken) claims.set(hardware, entry);
    if (devices === 'all' || taken.length === devices) return [];
    return [`${key}.devices: ${devices} asked, ${taken.length} of ${entry.name} left on this node to share`];
  }
  return devices.flatMap((reference) => {
    const meant = members.filter((hardware) => namesDevice(reference, hardware));
    if (meant.length === 0) return [`${key}.devices: ${reference} is no ${entry.name} of this node`];
    return meant.flatMap((hardware) => {
      const before = claims.get(hardware);
      claims.set(hardware, before ?? entry);
      if (before === undefined) return [];
      const first =
        before === entry ? 'the same list names it before' : `resources[${entries.indexOf(before)}] counts`;
      return [`${key}.devices: ${reference} is ${nameHardware(hardware)}, and ${first}`];
    });
  });
}

function tooManyText(resource: ResourceName, members: readonly SharedHardware[], cap: number): string {
  const asked = members.reduce((sum, { replicas }) => sum + replicas, 0);
  return (
    `${resource}: ${asked} devices asked on ${members.length} GPUs or MIG instances, which is more than the kubelet's list can hold; ` +
    `${cap} time slices of each are offered. Set replicas to ${cap} or less.`
  );
}
