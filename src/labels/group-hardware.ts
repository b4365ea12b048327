import type { Gpu, MigInstance, Snapshot } from '../inventory/gpu.ts';
import { excludes } from '../resources/device-reference.ts';
import { labelValue } from './label-text.ts';

/** Whatever has the lowest index of a GPU first. */
interface Placed {
  readonly gpu: Gpu;
}

/** A MIG instance with its GPU. */
export interface PlacedInstance extends Placed {
  readonly instance: MigInstance;
}

/** The GPUs that labels are about, by index: those whose product is known and that the config does not exclude. A lost one stays. */
export function labelledGpus({ gpus }: Snapshot, exclude: readonly string[]): readonly Gpu[] {
  return gpus
    .filter((gpu) => labelValue(gpu.name) !== '')
    .filter((gpu) => !exclude.some((reference) => excludes(reference, { gpu, mig: null, instanceIds: null })))
    .toSorted((one, other) => one.index - other.index);
}

/** Puts equal things together; the largest group first, of equal ones that with the lowest index. */
export function groupLargestFirst<T>(members: readonly T[], keyOf: (member: T) => string): readonly T[][] {
  return [...Map.groupBy(members, keyOf).values()].toSorted((one, other) => other.length - one.length);
}

/** The product, as it stands in labels. */
export function productOf({ name }: Pick<Gpu, 'name'>): string {
  return labelValue(name);
}

/** The least that any of them has; `null` where none tells. */
export function leastKnown(figures: readonly (number | null)[]): number | null {
  const known = figures.filter((figure) => figure !== null);
  return known.length === 0 ? null : Math.min(...known);
}
