import { describe, expect, test } from 'vitest';
import type { LinkedGpu } from '../../../src/allocation/preferred/topology.ts';
import { choose, type GpuRequest } from '../choose-gpus.ts';
import { bridgedPairs, dgx1Pascal, dgx1Volta, everyPair, linkedNode, rtx8000x4 } from '../linked-nodes.ts';
import { choosePeerSet, peerScore, sumOfPairs } from '../peer-choice.ts';

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
  test.each<readonly [string, readonly LinkedGpu[], GpuRequest, readonly number[]]>([
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

describe('of sets that are joined alike', () => {
  /** Pairs by the number of their NVLinks. */
  function wired(count: number, links: Readonly<Record<number, readonly (readonly [number, number])[]>>) {
    return linkedNode(
      count,
      Object.entries(links).flatMap(([nvlinks, pairs]) =>
        pairs.map((between) => ({ between, nvlinks: Number(nvlinks) })),
      ),
    );
  }

  test('the one that leaves more links among the others, those to the required GPU not counted', () => {
    const outward = [1, 2].flatMap((a) => [5, 6, 7].map((b) => [a, b] as const));
    const gpus = wired(8, {
      1: outward,
      2: [
        [0, 1],
        [0, 2],
      ],
      4: [[3, 4]],
    });
    expect(choose(gpus, { available: eight, required: [0], size: 3 })).toEqual([0, 3, 4]);
  });

  test('the one of the lowest indexes, also on a node too big to try every set', () => {
    const gpus = wired(20, {
      1: [
        [3, 12],
        [3, 13],
        [3, 14],
        [4, 12],
        [4, 13],
        [4, 14],
        [5, 12],
        [5, 13],
        [5, 14],
      ],
      2: [
        [0, 1],
        [0, 2],
        [1, 2],
        [3, 4],
        [3, 5],
        [4, 5],
      ],
      3: [
        [0, 9],
        [1, 10],
        [2, 11],
      ],
    });
    expect(choose(gpus, { available: [...gpus.keys()], required: [], size: 3 })).toEqual([0, 1, 2]);
  });
});
