import type { Random } from '../../../src/simulator/seeded-random.ts';
import { pick } from './random.ts';

/** One container that the soak asks for. */
export interface ContainerShape {
  readonly name: string;
  readonly kind: 'app' | 'init' | 'sidecar';
  readonly gpus: number;
}

/** What a pod asks for; init containers and sidecars come first, in the order of their start. */
export interface PodShape {
  readonly containers: readonly ContainerShape[];
  /** It ends by itself after so long; null: it stays until it is deleted. */
  readonly endsAfterMs: number | null;
}

/** A pod of 1 to 3 GPUs: mostly one container, some with several, with init containers, with a sidecar, some that end. */
export function randomShape(random: Random): PodShape {
  const form = random();
  const endsAfterMs = random() < 0.2 ? 200 + pick(random, 2000) : null;
  const app = (name: string, gpus: number): ContainerShape => ({ name, kind: 'app', gpus });
  if (form < 0.5) return { containers: [app('main', 1 + pick(random, 3))], endsAfterMs };
  if (form < 0.65)
    return { containers: [app('main', 1), app('second', 1 + pick(random, 2))], endsAfterMs: null };
  if (form < 0.85) {
    const before = { name: 'before', kind: 'init', gpus: 1 + pick(random, 3) } as const;
    return { containers: [before, app('main', 1 + pick(random, 2))], endsAfterMs };
  }
  const helper = { name: 'helper', kind: 'sidecar', gpus: 1 } as const;
  return { containers: [helper, app('main', 1 + pick(random, 2))], endsAfterMs: null };
}

/**
 * How many GPUs the scheduler counts for it: the most that are needed at once, sidecars running on beside all that comes
 * after them (Kubernetes, "Resource sharing within containers").
 */
export function gpusOf({ containers }: PodShape): number {
  let sidecars = 0;
  let starting = 0;
  for (const { kind, gpus } of containers) {
    if (kind === 'sidecar') sidecars += gpus;
    if (kind === 'init') starting = Math.max(starting, sidecars + gpus);
  }
  const apps = containers.filter(({ kind }) => kind === 'app').reduce((sum, { gpus }) => sum + gpus, 0);
  return Math.max(starting, sidecars + apps);
}
