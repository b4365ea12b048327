import { nameHardware, type Hardware } from './hardware.ts';
import type { NamedHardware } from './name-hardware.ts';
import { hardwareUuid } from './planned-device.ts';
import type { Degradation } from './remark.ts';
import type { ResourceName } from './resource-name.ts';

/** The MIG profile that each resource is made of. */
export type ChosenProfiles = ReadonlyMap<ResourceName, string>;

/**
 * Keeps each resource to devices of one shape, as the strategy `single` promises: where a resource has MIG instances, all of one
 * profile and no whole GPU. The profile is that of an instance that a pod was found to hold, else stays the one chosen before while an
 * instance of it is left, else is that of the first instance.
 * @param held UUIDs of which the kubelet has booked something, when its records have just been read
 */
export function keepOneShape(
  named: NamedHardware,
  before: ChosenProfiles,
  held: ReadonlySet<string>,
): {
  readonly named: NamedHardware;
  readonly profiles: ChosenProfiles;
  readonly degradations: readonly Degradation[];
} {
  const profiles = new Map<ResourceName, string>();
  const degradations: Degradation[] = [];
  const kept = new Map<ResourceName, readonly Hardware[]>();
  for (const [resource, hardware] of named) {
    const profile = chooseProfile(hardware, before.get(resource), held);
    if (profile === null) {
      kept.set(resource, hardware);
      continue;
    }
    profiles.set(resource, profile);
    kept.set(
      resource,
      hardware.filter(({ mig }) => mig?.profile === profile),
    );
    const others = hardware.filter(({ mig }) => mig?.profile !== profile);
    for (const members of Map.groupBy(others, ({ gpu }) => gpu.uuid).values()) {
      degradations.push({ kind: 'mig-mismatch', message: mismatchText(members, resource, profile) });
    }
  }
  return { named: kept, profiles, degradations };
}

function mismatchText(members: readonly Hardware[], resource: ResourceName, profile: string): string {
  const instances = members.flatMap(({ gpu, mig }) =>
    mig === null ? [] : [`${gpu.index}:${mig.position} ${mig.profile}`],
  );
  const gpus = members.slice(0, 1).map(({ gpu }) => nameHardware({ gpu, mig: null }));
  const what =
    instances.length === 0
      ? 'is not in MIG mode and is not offered'
      : `has instances of another profile, which are not offered (${instances.join(', ')})`;
  return (
    `${gpus.join()} ${what}: flags.migStrategy single offers ${resource} in one shape, and that is ${profile} now. ` +
    'Cut all GPUs alike, give the others a name of their own in resources, or set mixed.'
  );
}

function chooseProfile(
  hardware: readonly Hardware[],
  before: string | undefined,
  held: ReadonlySet<string>,
): string | null {
  const instances = hardware.filter(({ mig }) => mig !== null);
  const chosen =
    instances.find((each) => held.has(hardwareUuid(each))) ??
    instances.find(({ mig }) => mig?.profile === before) ??
    instances[0];
  return chosen?.mig?.profile ?? null;
}
