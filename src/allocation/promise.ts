import { dampedLimit, type Damping } from './damping.ts';
import { guaranteedFit } from './memory/guaranteed-fit.ts';

/** How much free memory is promised while it is spread over several GPUs. */
export type Fit = 'guaranteed' | 'adaptive' | 'sum';

/** What a promise is made of. */
export interface PromiseInput {
  readonly fit: Fit;
  /** Free units of each GPU that can be used. */
  readonly holes: readonly number[];
  /** The most units that one container may ask for. */
  readonly cap: number;
  readonly damping: Damping;
  readonly nowMs: number;
}

/**
 * How many free units are shown as allocatable. `sum` shows all of them, and pods fail where none of the GPUs has what they ask for;
 * `adaptive` does too until it has refused something; `guaranteed` shows what fits for certain. The API server keeps an older, larger
 * figure for a while after a release, so the last two show less for a time after a refusal.
 */
export function promisedUnits({ fit, holes, cap, damping, nowMs }: PromiseInput): number {
  const sum = holes.reduce((total, hole) => total + Math.max(0, hole), 0);
  if (fit === 'sum') return sum;
  return Math.min(fit === 'adaptive' ? sum : guaranteedFit(holes, cap), dampedLimit(damping, nowMs));
}
