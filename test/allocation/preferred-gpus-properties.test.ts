import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LinkedGpu } from '../../src/allocation/preferred/topology.ts';
import { pcieDistances } from '../../src/inventory/gpu.ts';
import { choose, type GpuRequest, scoreOf } from './choose-gpus.ts';
import { everyPair, linkedNode } from './linked-nodes.ts';
import { choosePeerSet, peerScore, setsOf, sumOfPairs } from './peer-choice.ts';

/** Nodes whose pairs differ; few values, so that many sets are equal. */
function meshOf(count: number, switches: boolean): fc.Arbitrary<readonly LinkedGpu[]> {
  const joint = fc.record({
    nvlinks: fc.constantFrom(0, 0, 1, 2, 3),
    nvswitchLinks: switches ? fc.constantFrom(0, 0, 2) : fc.constant(0),
    pcie: fc.constantFrom(...pcieDistances),
  });
  const pairs = (count * (count - 1)) / 2;
  return fc.array(joint, { minLength: pairs, maxLength: pairs }).map((joints) => {
    const queue = joints.values();
    return linkedNode(
      count,
      everyPair(count, () => queue.next().value ?? {}),
    );
  });
}

function caseOf(
  maxCount: number,
  switches: boolean,
): fc.Arbitrary<{ gpus: readonly LinkedGpu[]; request: GpuRequest }> {
  return fc.integer({ min: 1, max: maxCount }).chain((count) => {
    const indexes = Array.from({ length: count }, (_, index) => index);
    return fc
      .record({
        gpus: meshOf(count, switches),
        available: fc.subarray(indexes, { minLength: 1 }),
        requiredCount: fc.constantFrom(0, 0, 1, 2, 9),
        size: fc.integer({ min: 1, max: count }),
      })
      .map(({ gpus, available, requiredCount, size }) => {
        const fitting = Math.min(size, available.length);
        const required = available.slice(0, Math.min(requiredCount, fitting));
        return { gpus, request: { available, required, size: fitting } };
      });
  });
}

/** By trying everything: the best sum inside, then the best sum outside, then the lowest indexes. */
function chooseByTrying(
  gpus: readonly LinkedGpu[],
  { available, required, size }: GpuRequest,
): readonly number[] {
  const score = scoreOf(gpus);
  const rated = setsOf(available, size)
    .filter((set) => required.every((each) => set.includes(each)))
    .map((set) => ({
      set,
      inside: sumOfPairs(set, score),
      outside: sumOfPairs(
        available.filter((each) => !set.includes(each)),
        score,
      ),
    }));
  return rated.reduce((a, b) =>
    b.inside > a.inside || (b.inside === a.inside && b.outside > a.outside) ? b : a,
  ).set;
}

test('the set is the one that trying every set finds', () => {
  fc.assert(
    fc.property(caseOf(10, true), ({ gpus, request }) => {
      expect(choose(gpus, request)).toEqual(chooseByTrying(gpus, request));
    }),
    { numRuns: 300 },
  );
});

test('so it is among sixteen', () => {
  const cases = fc.record({ gpus: meshOf(16, true), size: fc.constantFrom(1, 2, 3, 14, 15) });
  fc.assert(
    fc.property(cases, ({ gpus, size }) => {
      const request = { available: [...gpus.keys()], required: [], size };
      expect(choose(gpus, request)).toEqual(chooseByTrying(gpus, request));
    }),
    { numRuns: 10 },
  );
});

test("no set is worse than the peer's by the peer's own score", () => {
  fc.assert(
    fc.property(caseOf(8, false), ({ gpus, request }) => {
      const score = peerScore(gpus);
      const theirs = choosePeerSet(score, request) ?? [];
      expect(sumOfPairs(choose(gpus, request), score)).toBeGreaterThanOrEqual(sumOfPairs(theirs, score));
    }),
    { numRuns: 150 },
  );
});

test('the order in which ids come makes no difference', () => {
  const shuffled = caseOf(16, true).chain(({ gpus, request }) =>
    fc.record({
      gpus: fc.constant(gpus),
      request: fc.constant(request),
      available: fc.shuffledSubarray([...request.available], { minLength: request.available.length }),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ gpus, request, available }) => {
      expect(choose(gpus, { ...request, available })).toEqual(choose(gpus, request));
    }),
    { numRuns: 50 },
  );
});

describe('more GPUs than are compared exactly', () => {
  test('small sets are the best there are', () => {
    const cases = fc.record({ gpus: meshOf(20, true), size: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(cases, ({ gpus, size }) => {
        const available = [...gpus.keys()];
        const score = scoreOf(gpus);
        const best = Math.max(...setsOf(available, size).map((set) => sumOfPairs(set, score)));
        expect(sumOfPairs(choose(gpus, { available, required: [], size }), score)).toBe(best);
      }),
      { numRuns: 20 },
    );
  });

  test('a big set is a board, wherever its GPUs stand', () => {
    const boards = linkedNode(
      64,
      everyPair(64, (a, b) => (a % 4 === b % 4 ? { nvlinks: 1 } : { pcie: 'across-numa-nodes' })),
    );
    const available = [...boards.keys()].filter((gpu) => gpu !== 0);
    expect(choose(boards, { available, required: [2], size: 16 })).toEqual(
      available.filter((gpu) => gpu % 4 === 2),
    );
    expect(choose(boards, { available, required: [], size: 15 })).toEqual(
      available.filter((gpu) => gpu % 4 === 0),
    );
  });

  test('any size of any node has its answer', () => {
    fc.assert(
      fc.property(meshOf(24, true), fc.integer({ min: 1, max: 24 }), (gpus, size) => {
        const answer = choose(gpus, { available: [...gpus.keys()], required: [5], size });
        expect(new Set(answer).size).toBe(size);
        expect(answer).toContain(5);
      }),
      { numRuns: 20 },
    );
  });

  test('a search among more sets than could ever be tried comes to an end', () => {
    fc.assert(
      fc.property(meshOf(48, true), (gpus) => {
        const available = [...gpus.keys()];
        const score = scoreOf(gpus);
        const found = sumOfPairs(choose(gpus, { available, required: [], size: 24 }), score);
        expect(found).toBeGreaterThan(sumOfPairs(available.slice(0, 24), score));
      }),
      { numRuns: 3 },
    );
  });

  test('more than any node has are taken in their order', () => {
    const many = linkedNode(300, [{ between: [298, 299], nvlinks: 4 }]);
    expect(choose(many, { available: [299, 298, 7, 3], required: [], size: 2 })).toEqual([3, 7]);
  });
});
