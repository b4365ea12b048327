import { describe, expect, it } from 'vitest';
import { dampAfterRefusal, type Damping } from '../../src/allocation/damping.ts';
import { promisedUnits, type Fit } from '../../src/allocation/promise.ts';

const eightEmpty = Array.from({ length: 8 }, () => 80);
const refused30 = dampAfterRefusal(null, 30, 0);

describe('promisedUnits', () => {
  it.each<[Fit, string, readonly number[], number, Damping, number]>([
    ['guaranteed', 'eight empty GPUs', eightEmpty, 80, null, 87],
    ['adaptive', 'eight empty GPUs', eightEmpty, 80, null, 640],
    ['sum', 'eight empty GPUs', eightEmpty, 80, null, 640],
    ['guaranteed', 'a refusal', eightEmpty, 80, refused30, 29],
    ['adaptive', 'a refusal', eightEmpty, 80, refused30, 29],
    ['sum', 'a refusal, which it takes no notice of', eightEmpty, 80, refused30, 640],
    ['guaranteed', 'less than was refused', [5], 80, refused30, 5],
    ['sum', 'GPUs with more booked than they have', [-5, 7], 80, null, 7],
  ])('%s: %s', (fit, _, holes, cap, damping, expected) => {
    expect(promisedUnits({ fit, holes, cap, damping, nowMs: 1000 })).toBe(expected);
  });
});
