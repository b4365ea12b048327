import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guaranteedFit } from '../../src/allocation/guaranteed-fit.ts';

const eightEmpty = Array.from({ length: 8 }, () => 80);

/** min over 1 ≤ s ≤ cap of Σ max(0, hole − s + 1) + s − 1, term by term. */
function byFormula(holes: readonly number[], cap: number): number {
  const term = (size: number): number =>
    holes.reduce((sum, hole) => sum + Math.max(0, hole - size + 1), 0) + size - 1;
  return Math.min(...Array.from({ length: cap }, (_, index) => term(index + 1)));
}

/** The smallest total of a sequence that ends with a request which fits nowhere, by trying every sequence. */
function cheapestFailure(holes: readonly number[], cap: number, known = new Map<string, number>()): number {
  const key = holes.toSorted((a, b) => a - b).join(' ');
  const before = known.get(key);
  if (before !== undefined) return before;
  const totals = Array.from({ length: cap }, (_, index) => index + 1).map((units) => {
    const best = bestFit(holes, units);
    if (best < 0) return units;
    return units + cheapestFailure(holes.with(best, (holes[best] ?? 0) - units), cap, known);
  });
  const cheapest = Math.min(...totals);
  known.set(key, cheapest);
  return cheapest;
}

function bestFit(holes: readonly number[], units: number): number {
  return holes.reduce((best, hole, index) => {
    if (hole < units) return best;
    return best < 0 || hole < (holes[best] ?? 0) ? index : best;
  }, -1);
}

const smallHoles = fc.array(fc.nat(7), { minLength: 1, maxLength: 4 });
const smallCap = fc.integer({ min: 1, max: 8 });

describe('guaranteedFit', () => {
  it.each([
    ['empty GPUs, requests up to a whole one', eightEmpty, 80, 87],
    ['empty GPUs, requests up to half of one', eightEmpty, 40, 367],
    ['empty GPUs, small requests', eightEmpty, 10, 577],
    ['requests of one unit each', [3, 4, 5], 1, 12],
    ['one GPU', [7], 7, 7],
    ['a cap beyond every hole', [3, 2], 80, 3],
    ['two holes', [12, 12], 12, 13],
    ['one large hole and small ones', [80, 1, 1, 1], 80, 80],
    ['nothing free', [0, 0], 80, 0],
    ['more booked than there is', [-4, 5], 80, 5],
    ['no GPU', [], 80, 0],
    ['no cap to speak of', [5, 5], 0, 0],
  ])('promises for %s', (_, holes, cap, expected) => {
    expect(guaranteedFit(holes, cap)).toBe(expected);
  });

  it('is the least term of the formula', () => {
    const holes = fc.array(fc.nat(300), { minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(holes, fc.integer({ min: 1, max: 320 }), (sizes, cap) => {
        expect(guaranteedFit(sizes, cap)).toBe(byFormula(sizes, cap));
      }),
    );
  });

  it('is safe against an adversary who tries every sequence on small nodes', () => {
    fc.assert(
      fc.property(smallHoles, smallCap, (holes, cap) => {
        expect(cheapestFailure(holes, cap)).toBeGreaterThan(guaranteedFit(holes, cap));
      }),
      { numRuns: 300 },
    );
  });

  it('is worth something: what is largest alone is always promised', () => {
    fc.assert(
      fc.property(smallHoles, smallCap, (holes, cap) => {
        expect(guaranteedFit(holes, cap)).toBeGreaterThanOrEqual(Math.min(cap, Math.max(...holes)));
      }),
    );
  });

  it('is exact where an adversary can reach it: equal empty GPUs', () => {
    for (const [gpus, units] of [
      [2, 3],
      [2, 5],
      [3, 4],
    ] as const) {
      const holes = Array.from({ length: gpus }, () => units);
      expect(cheapestFailure(holes, units)).toBe(guaranteedFit(holes, units) + 1);
    }
  });
});
