import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guaranteedFit } from '../../../src/allocation/memory/guaranteed-fit.ts';

const eightEmpty = Array.from({ length: 8 }, () => 80);

/** min over 1 ≤ s ≤ cap of Σ max(0, hole − s + 1) + s − 1, term by term. */
function byFormula(holes: readonly number[], cap: number): number {
  const term = (size: number): number =>
    holes.reduce((sum, hole) => sum + Math.max(0, hole - size + 1), 0) + size - 1;
  return Math.min(...Array.from({ length: cap }, (_, index) => term(index + 1)));
}

/** Where a request may go: GPUs by position. */
type Placement = (holes: readonly number[], units: number) => readonly number[];

/** The smallest total of a sequence that ends with a request which fits nowhere, by trying every sequence and placement. */
function cheapestFailure(
  holes: readonly number[],
  cap: number,
  place: Placement,
  known = new Map<string, number>(),
): number {
  const key = holes.toSorted((a, b) => a - b).join(' ');
  const before = known.get(key);
  if (before !== undefined) return before;
  const totals = Array.from({ length: cap }, (_, index) => index + 1).map((units) => {
    const places = place(holes, units);
    if (places.length === 0) return units;
    const rests = places.map((gpu) => holes.with(gpu, (holes[gpu] ?? 0) - units));
    return units + Math.min(...rests.map((rest) => cheapestFailure(rest, cap, place, known)));
  });
  const cheapest = Math.min(...totals);
  known.set(key, cheapest);
  return cheapest;
}

function anyFit(holes: readonly number[], units: number): readonly number[] {
  return holes.flatMap((hole, gpu) => (hole >= units ? [gpu] : []));
}

function bestFit(holes: readonly number[], units: number): readonly number[] {
  const fitting = anyFit(holes, units);
  return fitting.toSorted((a, b) => (holes[a] ?? 0) - (holes[b] ?? 0)).slice(0, 1);
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

  it('is safe with best fit, whatever is asked in whatever order', () => {
    fc.assert(
      fc.property(smallHoles, smallCap, (holes, cap) => {
        expect(cheapestFailure(holes, cap, bestFit)).toBeGreaterThan(guaranteedFit(holes, cap));
      }),
      { numRuns: 300 },
    );
  });

  it('is the most that is safe when requests may be put anywhere they fit', () => {
    fc.assert(
      fc.property(smallHoles, smallCap, (holes, cap) => {
        expect(cheapestFailure(holes, cap, anyFit)).toBe(guaranteedFit(holes, cap) + 1);
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
});
