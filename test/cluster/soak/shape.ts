import type { Random } from '../../../src/simulator/seeded-random.ts';
import { pick } from './random.ts';

/** One container that the soak asks for: it has whole GPUs or memory of one, never both. */
export interface ContainerShape {
  readonly name: string;
  readonly kind: 'app' | 'init' | 'sidecar';
  /** Whole GPUs; 0 when it asks for memory. */
  readonly gpus: number;
  /** Units of memory; 0 when it asks for GPUs. */
  readonly units: number;
}

/** What a pod asks for; init containers and sidecars come first, in the order of their start. */
export interface PodShape {
  readonly containers: readonly ContainerShape[];
  /** It ends by itself after so long; null: it stays until it is deleted. */
  readonly endsAfterMs: number | null;
}

/** The most units that a container asks for: the agents' `memory.maxPerContainer`. */
export const maxUnits = 20;

type Need = Pick<ContainerShape, 'gpus' | 'units'>;

/**
 * A pod: mostly one container, some with several, with init containers, with a sidecar, some that end. Half of the pods ask for 1 to 3
 * GPUs, a third for memory, the others for both, in different containers.
 */
export function randomShape(random: Random): PodShape {
  const form = random();
  const endsAfterMs = random() < 0.2 ? 200 + pick(random, 2000) : null;
  const ways = random();
  const ofMemory = (): boolean => ways < 1 / 3 || (ways < 1 / 2 && random() < 0.5);
  const need = (mostGpus: number): Need =>
    ofMemory()
      ? { gpus: 0, units: 1 + pick(random, maxUnits) }
      : { gpus: 1 + pick(random, mostGpus), units: 0 };
  const app = (name: string, mostGpus: number): ContainerShape => ({ name, kind: 'app', ...need(mostGpus) });
  if (form < 0.5) return { containers: [app('main', 3)], endsAfterMs };
  if (form < 0.65) return { containers: [app('main', 1), app('second', 2)], endsAfterMs: null };
  if (form < 0.85) {
    const before: ContainerShape = { name: 'before', kind: 'init', ...need(3) };
    return { containers: [before, app('main', 2)], endsAfterMs };
  }
  const helper: ContainerShape = { name: 'helper', kind: 'sidecar', ...need(1) };
  return { containers: [helper, app('main', 2)], endsAfterMs: null };
}

/**
 * How many GPUs, or units, the scheduler counts for a pod: the most that are needed at once, sidecars running on beside all that comes
 * after them (Kubernetes, "Resource sharing within containers").
 */
export function needOf({ containers }: PodShape, what: keyof Need): number {
  let sidecars = 0;
  let starting = 0;
  for (const { kind, [what]: count } of containers) {
    if (kind === 'sidecar') sidecars += count;
    if (kind === 'init') starting = Math.max(starting, sidecars + count);
  }
  const apps = containers
    .filter(({ kind }) => kind === 'app')
    .reduce((sum, { [what]: count }) => sum + count, 0);
  return Math.max(starting, sidecars + apps);
}
