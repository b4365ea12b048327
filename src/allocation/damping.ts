/**
 * What is held back after refusals, so that a pod that was refused stays pending and does not fail anew each time its controller
 * replaces it. `null`: nothing was refused yet. Milliseconds of a monotonic clock.
 */
export type Damping = {
  /** Free units that are shown at most until `untilMs`. */
  readonly limit: number;
  readonly untilMs: number;
  /** How long this period is. */
  readonly periodMs: number;
} | null;

const firstPeriodMs = 60_000;
/** Doubling ends here: a node that is held back for longer would seem broken. */
export const longestPeriodMs = 16 * firstPeriodMs;

/**
 * After a refusal of `units`: at most one unit less is shown for a minute. A refusal while that lasts, or within as long a time after
 * it, is a repetition: the period doubles.
 */
export function dampAfterRefusal(damping: Damping, units: number, nowMs: number): Damping {
  const repeats = damping !== null && nowMs < damping.untilMs + damping.periodMs;
  const periodMs = repeats ? Math.min(2 * damping.periodMs, longestPeriodMs) : firstPeriodMs;
  const limit = Math.min(Math.max(0, units - 1), dampedLimit(damping, nowMs));
  return { limit, untilMs: nowMs + periodMs, periodMs };
}

/** Free units that may be shown at most now; infinite when nothing is held back. */
export function dampedLimit(damping: Damping, nowMs: number): number {
  return damping !== null && nowMs < damping.untilMs ? damping.limit : Number.POSITIVE_INFINITY;
}
