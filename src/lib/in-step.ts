import type { Clock } from './clock.ts';

/**
 * Milliseconds until the next moment at which everybody looks who looks as often: an idle process then wakes once for all of them. At most
 * `everyMs`, and more than none.
 */
export function msToStep(clock: Pick<Clock, 'now'>, everyMs: number): number {
  return everyMs - (Math.ceil(clock.now()) % everyMs);
}
