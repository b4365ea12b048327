import { listHardware } from '../resources/hardware.ts';
import { assignNames } from '../resources/name-hardware.ts';
import { hardwareUuid } from '../resources/planned-device.ts';
import type { ResourcePlan } from '../resources/plan.ts';
import type { ResourceSettings } from '../resources/resource-settings.ts';
import type { Snapshot } from '../inventory/gpu.ts';

/** How some GPUs or MIG instances of one kind are offered. */
export interface Offering {
  /** Devices that each of them makes, the least where they differ; 0 where they are not offered. */
  readonly replicas: number;
  readonly isTimeSliced: boolean;
  /** Whether a pod that asks by the unshared name is given a share. */
  readonly isSharedUnderOwnName: boolean;
}

/** Tells how GPUs and MIG instances are offered, by their UUIDs. */
export class Offerings {
  readonly #devices: ReadonlyMap<string, number>;
  readonly #sliced: ReadonlySet<string>;
  readonly #renamed: ReadonlySet<string>;

  constructor(snapshot: Snapshot, resources: readonly ResourcePlan[], settings: ResourceSettings) {
    const devices = resources.flatMap((plan) =>
      plan.devices.map((device) => ({ uuid: hardwareUuid(device), resource: plan.resource, device })),
    );
    const { named } = assignNames(listHardware(snapshot, settings).hardware, settings);
    const ownNames = new Map(
      [...named].flatMap(([resource, members]) =>
        members.map((each) => [hardwareUuid(each), resource] as const),
      ),
    );
    this.#devices = new Map(
      [...Map.groupBy(devices, ({ uuid }) => uuid)].map(([uuid, members]) => [uuid, members.length] as const),
    );
    this.#sliced = new Set(devices.flatMap(({ uuid, device }) => (device.replica === null ? [] : [uuid])));
    this.#renamed = new Set(
      devices.flatMap(({ uuid, resource }) => (ownNames.get(uuid) === resource ? [] : [uuid])),
    );
  }

  has(uuid: string): boolean {
    return this.#devices.has(uuid);
  }

  of(uuids: readonly string[]): Offering {
    const offered = uuids.filter((uuid) => this.#devices.has(uuid));
    const sliced = offered.filter((uuid) => this.#sliced.has(uuid));
    const replicas = offered.map((uuid) => this.#devices.get(uuid) ?? 0);
    return {
      replicas: replicas.reduce((least, each) => Math.min(least, each), replicas[0] ?? 0),
      isTimeSliced: sliced.length > 0,
      isSharedUnderOwnName: sliced.some((uuid) => !this.#renamed.has(uuid)),
    };
  }
}

/** The labels that each kind of device has under its prefix (`gpu`, `mig-1g.10gb`). */
export function offeringLabels(
  prefix: string,
  { replicas, isTimeSliced }: Offering,
): (readonly [string, string])[] {
  return [
    [`${prefix}.replicas`, String(replicas)],
    [`${prefix}.sharing-strategy`, isTimeSliced ? 'time-slicing' : 'none'],
  ];
}

/** What the product's name ends with where a pod that asks for the whole is given a share. */
export function sharedSuffix({ isSharedUnderOwnName }: Offering): readonly string[] {
  return isSharedUnderOwnName ? ['SHARED'] : [];
}
