import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { preparePreferred } from '../../src/allocation/preferred.ts';
import { type LinkedGpu, scoreMatrix } from '../../src/allocation/topology.ts';
import { pcieDistances } from '../../src/inventory/gpu.ts';
import {
  bridgedPairs,
  dgx1Pascal,
  dgx1Volta,
  everyPair,
  linkedNode,
  rtx8000x4,
  uuidOf,
} from './linked-nodes.ts';
import { choosePeerSet, type PairScore, peerScore, setsOf, sumOfPairs } from './peer-choice.ts';

interface Request {
  readonly available: readonly number[];
  readonly required: readonly number[];
  readonly size: number;
}

/** Asks for GPUs by index. */
function choose(gpus: readonly LinkedGpu[], { available, required, size }: Request): readonly number[] {
  const prefer = preparePreferred(
    gpus.map(({ uuid }) => ({ id: uuid, gpuUuid: uuid })),
    { links: scoreMatrix(gpus), policy: 'distributed' },
  );
  const answer = prefer({ availableIds: available.map(uuidOf), requiredIds: required.map(uuidOf), size });
  return answer.map((uuid) => gpus.findIndex((gpu) => gpu.uuid === uuid)).toSorted((a, b) => a - b);
}

function scoreOf(gpus: readonly LinkedGpu[]): PairScore {
  const links = scoreMatrix(gpus);
  return (a, b) => links.between(uuidOf(a), uuidOf(b));
}

/** One pod after the other, none of which ends. */
function fill(gpus: readonly LinkedGpu[], size: number): readonly (readonly number[])[] {
  const sets: (readonly number[])[] = [];
  for (let available = [...gpus.keys()]; available.length >= size;) {
    const set = choose(gpus, { available, required: [], size });
    sets.push(set);
    available = available.filter((gpu) => !set.includes(gpu));
  }
  return sets;
}

const eight = [0, 1, 2, 3, 4, 5, 6, 7];

describe("the examples of NVIDIA's allocator", () => {
  type Indexes = readonly number[];
  type Example = readonly [
    name: string,
    available: Indexes,
    required: Indexes,
    size: number,
    theirs: Indexes | null,
    ours: Indexes,
  ];
  test.each<Example>([
    ['two links, same socket', [0, 1, 3], [], 2, [0, 3], [0, 3]],
    ['two links, other socket', [0, 1, 4], [], 2, [0, 4], [0, 4]],
    ['two links before one', [0, 4, 5, 6], [], 2, [5, 6], [5, 6]],
    ['two links for this pod, not one for it and one for the next', [0, 2, 4, 5], [], 2, [4, 5], [0, 4]],
    ['required alone', eight, [4], 1, [4], [4]],
    ['required and one', eight, [4], 2, [4, 7], [4, 7]],
    ['required and its board', eight, [4], 4, [4, 5, 6, 7], [4, 5, 6, 7]],
    ['all required', eight, [0, 2, 4, 6], 4, [0, 2, 4, 6], [0, 2, 4, 6]],
    ['required and not available', [1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3], 4, null, [0, 1, 2, 3]],
    ['more required than asked', eight, [1, 2, 3, 4, 5, 6], 4, null, [1, 2, 3, 4]],
  ])('DGX-1 with V100: %s', (_, available, required, size, theirs, ours) => {
    const request = { available, required, size };
    expect(choosePeerSet(peerScore(dgx1Volta), request)).toEqual(theirs);
    expect(choose(dgx1Volta, request)).toEqual(ours);
  });

  test('fourteen bridged GPUs: the best pair is the last one', () => {
    expect(choose(bridgedPairs, { available: [...bridgedPairs.keys()], required: [], size: 2 })).toEqual([
      12, 13,
    ]);
  });

  test.each([
    [
      'RTX 8000, pairs',
      rtx8000x4,
      2,
      [
        [0, 3],
        [1, 2],
      ],
    ],
    ['RTX 8000, all', rtx8000x4, 4, [[0, 1, 2, 3]]],
    [
      'DGX-1 with P100, pairs',
      dgx1Pascal,
      2,
      [
        [0, 2],
        [1, 3],
        [4, 6],
        [5, 7],
      ],
    ],
    [
      'DGX-1 with P100, fours',
      dgx1Pascal,
      4,
      [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
      ],
    ],
    [
      'DGX-1 with V100, fours',
      dgx1Volta,
      4,
      [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
      ],
    ],
    ['DGX-1 with V100, all', dgx1Volta, 8, [eight]],
  ])('a node is filled as it is there: %s', (_, gpus, size, sets) => {
    expect(fill(gpus, size)).toEqual(sets);
  });

  test('a DGX-1 with V100 is filled with other pairs, which have as many links in all', () => {
    const ours = fill(dgx1Volta, 2);
    const theirs = [
      [0, 3],
      [1, 2],
      [4, 7],
      [5, 6],
    ];
    const total = (sets: readonly (readonly number[])[]): number =>
      sets.reduce((sum, set) => sum + sumOfPairs(set, peerScore(dgx1Volta)), 0);
    expect(ours).toEqual([
      [2, 3],
      [6, 7],
      [0, 4],
      [1, 5],
    ]);
    expect(total(ours)).toBe(total(theirs));
  });
});

describe('what the peer does not see', () => {
  /** Two boards of eight on NVSwitches that are not joined to each other. */
  const twoFabrics = linkedNode(
    16,
    everyPair(16, (a, b) => (a >> 3 === b >> 3 ? { nvswitchLinks: 6 } : { pcie: 'one-switch' })),
  );
  /** One fabric; GPU 2 has lost half of its links. */
  const wornFabric = linkedNode(
    8,
    everyPair(8, (a, b) => ({ nvswitchLinks: a === 2 || b === 2 ? 9 : 18, pcie: 'across-numa-nodes' })),
  );
  const numaOnly = linkedNode(8, []).map((gpu, index) => ({ ...gpu, numaNode: index % 2 }));
  const pcieTree = linkedNode(
    8,
    everyPair(8, (a, b) => {
      if (a >> 2 !== b >> 2) return { pcie: 'across-numa-nodes' };
      return { pcie: a >> 1 === b >> 1 ? 'one-switch' : 'same-numa-node' };
    }),
  );
  test.each<readonly [string, readonly LinkedGpu[], Request, readonly number[]]>([
    ['one fabric', twoFabrics, { available: [1, 2, 8, 9, 10, 15], required: [], size: 3 }, [8, 9, 10]],
    [
      'the smaller fabric, when it is enough',
      twoFabrics,
      { available: [1, 2, 3, 4, 8, 9], required: [], size: 2 },
      [8, 9],
    ],
    [
      'the fabric of what is required',
      twoFabrics,
      { available: [0, 1, 2, 8, 9], required: [1], size: 3 },
      [0, 1, 2],
    ],
    [
      'a worn GPU last, for many',
      wornFabric,
      { available: eight, required: [], size: 7 },
      [0, 1, 3, 4, 5, 6, 7],
    ],
    ['a worn GPU first, for one', wornFabric, { available: eight, required: [], size: 1 }, [2]],
    ['NUMA nodes', numaOnly, { available: eight, required: [], size: 4 }, [0, 2, 4, 6]],
    [
      'a GPU that has lost its neighbour',
      pcieTree,
      { available: [0, 1, 2, 4, 5, 6, 7], required: [], size: 1 },
      [2],
    ],
    [
      'neighbours whose side is broken already',
      pcieTree,
      { available: [0, 1, 2, 3, 5, 6, 7], required: [], size: 2 },
      [6, 7],
    ],
  ])('%s', (_, gpus, request, set) => {
    expect(choose(gpus, request)).toEqual(set);
  });
});

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
): fc.Arbitrary<{ gpus: readonly LinkedGpu[]; request: Request }> {
  return fc.integer({ min: 1, max: maxCount }).chain((count) => {
    const indexes = Array.from({ length: count }, (_, index) => index);
    return fc
      .record({
        gpus: meshOf(count, switches),
        available: fc.subarray(indexes, { minLength: 1 }),
        requiredShare: fc.double({ min: 0, max: 1, noNaN: true }),
        size: fc.integer({ min: 1, max: count }),
      })
      .map(({ gpus, available, requiredShare, size }) => {
        const fitting = Math.min(size, available.length);
        const required = available.slice(0, Math.floor(requiredShare ** 3 * (fitting + 1)));
        return { gpus, request: { available, required: required.slice(0, fitting), size: fitting } };
      });
  });
}

/** By trying everything: the best sum inside, then the best sum outside, then the lowest indexes. */
function chooseByTrying(
  gpus: readonly LinkedGpu[],
  { available, required, size }: Request,
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
    fc.property(caseOf(9, true), ({ gpus, request }) => {
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

  test('more than any node has are taken in their order', () => {
    const many = linkedNode(300, [{ between: [298, 299], nvlinks: 4 }]);
    expect(choose(many, { available: [299, 298, 7, 3], required: [], size: 2 })).toEqual([3, 7]);
  });
});
