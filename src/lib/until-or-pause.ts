import type { Clock } from './clock.ts';
import type { Latest } from './latest.ts';

/**
 * Resolves when a value is accepted, the current one included, or after `pauseMs`; `null`: not before one is. Rejects on abort, and leaves
 * nothing behind.
 */
export async function untilOrPause<T>(
  latest: Latest<T>,
  accepts: (value: T) => boolean,
  pauseMs: number | null,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const accepted = latest.until(accepts, until);
  const waits = pauseMs === null ? [accepted] : [accepted, clock.sleep(pauseMs, until)];
  try {
    await Promise.race(waits);
  } finally {
    scope.abort();
    await Promise.allSettled(waits);
  }
}
