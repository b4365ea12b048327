import { describe, expect, it } from 'vitest';
import {
  dampAfterRefusal,
  dampedLimit,
  longestPeriodMs,
  type Damping,
} from '../../src/allocation/damping.ts';

/** Refusals of so many units at so many seconds, one after the other. */
function after(...refusals: readonly (readonly [number, number])[]): Damping {
  return refusals.reduce<Damping>(
    (damping, [units, seconds]) => dampAfterRefusal(damping, units, seconds * 1000),
    null,
  );
}

const none = Number.POSITIVE_INFINITY;

describe('damping', () => {
  it.each<[string, Damping, number, number]>([
    ['nothing was refused', after(), 0, none],
    ['20 were refused', after([20, 0]), 0, 19],
    ['the minute is not over', after([20, 0]), 59.999, 19],
    ['the minute is over', after([20, 0]), 60, none],
    ['1 was refused', after([1, 0]), 0, 0],
    ['fewer were refused then', after([20, 0], [5, 10]), 10, 4],
    ['more were refused then', after([20, 0], [30, 10]), 10, 19],
    ['it was refused again within the minute: two minutes from then', after([20, 0], [20, 59]), 178.9, 19],
    ['those two minutes are over', after([20, 0], [20, 59]), 179, none],
    ['it was refused again right after the minute', after([20, 0], [20, 61]), 180, 19],
    ['three times', after([20, 0], [20, 61], [20, 182]), 182 + 239, 19],
    ['three times, and four minutes', after([20, 0], [20, 61], [20, 182]), 182 + 240, none],
    ['it was refused again long after', after([20, 0], [20, 121]), 181, none],
    ['fewer were refused long ago', after([5, 0], [20, 500]), 500, 19],
  ])('when %s', (_, damping, seconds, limit) => {
    expect(dampedLimit(damping, seconds * 1000)).toBe(limit);
  });

  it('doubles up to a limit', () => {
    let damping: Damping = null;
    let nowMs = 0;
    for (let refusal = 0; refusal < 12; refusal += 1) {
      damping = dampAfterRefusal(damping, 8, nowMs);
      nowMs = damping?.untilMs ?? 0;
    }
    expect(damping?.periodMs).toBe(longestPeriodMs);
  });
});
