import type { ResourceName } from './resource-name.ts';

/** The settings that turn a node's GPUs into resources. */
export interface ResourceSettings {
  readonly migStrategy: MigStrategy;
  /** For whole GPUs by product name, for MIG instances by profile; the first pattern that fits counts. */
  readonly patterns: { readonly gpus: readonly NamePattern[]; readonly mig: readonly NamePattern[] };
  /** GPUs and MIG instances that are not offered at all. */
  readonly exclude: readonly string[];
  /** `null`: nothing is shared. */
  readonly timeSlicing: TimeSlicing | null;
}

/** MIG instances are not looked at; offered like GPUs, all of one shape; offered by profile. */
export type MigStrategy = 'none' | 'single' | 'mixed';

/** Devices whose product or profile fits the pattern are offered as the resource. `*` stands for any characters. */
export interface NamePattern {
  readonly pattern: string;
  readonly name: ResourceName;
}

export interface TimeSlicing {
  /** Whether a shared resource without a name of its own is called `<name>.shared`. */
  readonly renameByDefault: boolean;
  /** Whether a container that asks for more than one time slice is refused. */
  readonly failRequestsGreaterThanOne: boolean;
  /** The first entry that fits a device counts. */
  readonly resources: readonly SharedResource[];
}

/** Some devices of a resource, and into how many time slices each of them is divided. */
export interface SharedResource {
  readonly name: ResourceName;
  readonly rename?: ResourceName | undefined;
  /** A number stands for so many devices, those of lowest index. */
  readonly devices: 'all' | number | readonly string[];
  readonly replicas: number;
}
