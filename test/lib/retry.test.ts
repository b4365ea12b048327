import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from '../../src/lib/retry.ts';

const limits = { firstMs: 100, maxMs: 5000 };

test.each([
  ['the first failure, shortest', 1, 0, 50],
  ['the first failure, middle', 1, 0.5, 75],
  ['the second failure', 2, 0, 100],
  ['the sixth failure', 6, 0, 1600],
  ['the first that reaches the limit', 7, 0, 2500],
  ['long after the limit', 1000, 0, 2500],
])('%s', (_title, failures, random, expected) => {
  expect(backoffMs(limits, failures, random)).toBe(expected);
});

const anyLimits = fc
  .tuple(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 600_000 }))
  .map(([firstMs, more]) => ({ firstMs, maxMs: firstMs + more }));
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('a pause is never shorter than half the first nor as long as the limit', () => {
  fc.assert(
    fc.property(anyLimits, fc.integer({ min: 1, max: 100_000 }), anyRandom, (bounds, failures, random) => {
      const ms = backoffMs(bounds, failures, random);
      expect(ms).toBeGreaterThanOrEqual(bounds.firstMs / 2);
      expect(ms).toBeLessThanOrEqual(bounds.maxMs);
    }),
  );
});

test('one more failure never shortens the pause', () => {
  fc.assert(
    fc.property(anyLimits, fc.integer({ min: 1, max: 100 }), anyRandom, (bounds, failures, random) => {
      expect(backoffMs(bounds, failures + 1, random)).toBeGreaterThanOrEqual(
        backoffMs(bounds, failures, random),
      );
    }),
  );
});

test('many nodes that fail together do not come back together', () => {
  const pauses = Array.from({ length: 200 }, () => backoffMs(limits, 20));
  expect(new Set(pauses).size).toBeGreaterThan(150);
  expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(limits.maxMs / 4);
});
