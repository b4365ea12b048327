import type { MigEngines } from '../inventory/gpu.ts';
import { groupLargestFirst, leastKnown, type PlacedInstance, productOf } from './group-hardware.ts';
import { labelValue } from './label-text.ts';
import { offeringLabels, type Offerings, sharedSuffix } from './sharing-labels.ts';

type Entry = readonly [name: string, value: string];

/** The labels of each profile under its own name (`mig-1g.10gb`), as the strategy `mixed` offers it. */
export function profileLabels(instances: readonly PlacedInstance[], offerings: Offerings): readonly Entry[] {
  const byProfile = Map.groupBy(instances, ({ instance }) => profilePrefix(instance.profile));
  return [...byProfile].flatMap(([prefix, members]) => kindLabels(prefix, members, offerings));
}

/**
 * The labels of MIG instances of one profile, of the main model among their GPUs.
 * @param prefix `gpu` with the strategy `single`
 */
export function kindLabels(
  prefix: string,
  instances: readonly PlacedInstance[],
  offerings: Offerings,
): readonly Entry[] {
  const [members = []] = groupLargestFirst(instances, ({ gpu }) => productOf(gpu));
  const [first] = members;
  if (first === undefined) return [];
  const { gpu, instance } = first;
  const offering = offerings.of(instances.map((each) => each.instance.uuid));
  const memoryMiB = leastKnown(members.map((each) => each.instance.memoryMiB));
  return [
    [`${prefix}.product`, labelValue(gpu.name, ['MIG', instance.profile, ...sharedSuffix(offering)])],
    [`${prefix}.count`, String(instances.length)],
    ...offeringLabels(prefix, offering),
    ...(memoryMiB === null || memoryMiB === 0 ? [] : [[`${prefix}.memory`, String(memoryMiB)] as const]),
    ...numberLabel(`${prefix}.slices.gi`, instance.gpuSlices),
    ...numberLabel(`${prefix}.slices.ci`, instance.computeSlices),
    ...engineLabels(prefix, instance.engines),
  ];
}

/** What the strategy `single` says of a node that has GPUs in MIG mode and offers nothing of them. */
export function invalidLabels(product: string): readonly Entry[] {
  return [
    ['gpu.product', labelValue(product, ['MIG', 'INVALID'])],
    ['gpu.count', '0'],
    ['gpu.replicas', '0'],
    ['gpu.memory', '0'],
    ['gpu.sharing-strategy', ''],
  ];
}

function engineLabels(prefix: string, engines: MigEngines | null): readonly Entry[] {
  if (engines === null) return [];
  const { multiprocessors, ...others } = engines;
  return [
    [`${prefix}.multiprocessors`, String(multiprocessors)],
    ...Object.entries(others).map(([name, count]) => [`${prefix}.engines.${name}`, String(count)] as const),
  ];
}

function numberLabel(name: string, count: number | null): readonly Entry[] {
  return count === null ? [] : [[name, String(count)]];
}

/** As the resource of the profile is called. */
function profilePrefix(profile: string): string {
  return `mig-${profile.toLowerCase().replaceAll('+', '.')}`;
}
