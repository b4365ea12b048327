import type { Gpu } from '../inventory/gpu.ts';
import { leastKnown, productOf } from './group-hardware.ts';
import { labelValue } from './label-text.ts';
import { offeringLabels, type Offerings, sharedSuffix } from './sharing-labels.ts';

type Entry = readonly [name: string, value: string];

/**
 * The labels of the node's main model.
 * @param members its GPUs, at least one
 */
export function mainModelLabels(members: readonly Gpu[], offerings: Offerings): readonly Entry[] {
  const [first] = members;
  if (first === undefined) return [];
  const offering = offerings.of(members.map(({ uuid }) => uuid));
  return [
    ['gpu.product', labelValue(first.name, sharedSuffix(offering))],
    ['gpu.count', String(members.length)],
    ...offeringLabels('gpu', offering),
    ...memoryLabels('gpu', members),
    ...architectureLabels(members),
  ];
}

/** One model of the node by its own name, whatever is made of its GPUs. */
export function modelLabels(members: readonly Gpu[]): readonly Entry[] {
  const [first] = members;
  if (first === undefined) return [];
  // The longest label of a model ends with `.memory`; a name has 63 characters.
  const prefix = `gpu.model.${labelValue(productOf(first).slice(0, 63 - 'gpu.model..memory'.length))}`;
  return [[`${prefix}.count`, String(members.length)], ...memoryLabels(prefix, members)];
}

/** Family and compute capability. */
export function architectureLabels(members: readonly Gpu[]): readonly Entry[] {
  const capability = members.find((gpu) => gpu.computeCapability !== null)?.computeCapability ?? null;
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})$/.exec(capability ?? '') ?? [];
  if (major === undefined || minor === undefined) {
    const architecture = members.find((gpu) => gpu.architecture !== null)?.architecture ?? '';
    const family = labelValue(architecture.toLowerCase());
    return family === '' ? [] : [['gpu.family', family]];
  }
  return [
    ['gpu.family', familyOf(Number(major), Number(minor))],
    ['gpu.compute.major', major],
    ['gpu.compute.minor', minor],
  ];
}

/** Nothing where no GPU tells its memory. */
function memoryLabels(prefix: string, members: readonly Gpu[]): readonly Entry[] {
  const memoryMiB = leastKnown(members.map(({ memoryTotalMiB }) => memoryTotalMiB));
  return memoryMiB === null || memoryMiB === 0 ? [] : [[`${prefix}.memory`, String(memoryMiB)]];
}

/** By compute capability; NVIDIA's own rule knows no 11 (internal/lm/resource.go, getArchFamily). */
function familyOf(major: number, minor: number): string {
  switch (major) {
    case 1:
      return 'tesla';
    case 2:
      return 'fermi';
    case 3:
      return 'kepler';
    case 5:
      return 'maxwell';
    case 6:
      return 'pascal';
    case 7:
      return minor < 5 ? 'volta' : 'turing';
    case 8:
      return minor < 9 ? 'ampere' : 'ada-lovelace';
    case 9:
      return 'hopper';
    case 10:
    case 12:
      return 'blackwell';
    case 13:
      return 'rubin';
    default:
      return 'undefined';
  }
}
