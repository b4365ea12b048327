import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pcieDistances } from '../../../src/inventory/gpu.ts';
import { type LinkedGpu, scoreMatrix } from '../../../src/allocation/preferred/topology.ts';
import { linkedNode, uuidOf } from '../linked-nodes.ts';

type End = Partial<LinkedGpu['links'][number]> | null;

/** The score of two GPUs of which each says something of the other, or nothing. */
function scoreOf(there: End, back: End, numaNodes: readonly (number | null)[] = [null, null]): number {
  const gpus = [there, back].map((end, index): LinkedGpu => ({
    uuid: uuidOf(index),
    numaNode: numaNodes[index] ?? null,
    links:
      end === null ? [] : [{ toUuid: uuidOf(1 - index), nvlinks: 0, nvswitchLinks: 0, pcie: null, ...end }],
  }));
  return scoreMatrix(gpus).between(uuidOf(0), uuidOf(1));
}

// NVIDIA's own points for a pair (go-gpuallocator: gpuallocator/besteffort_policy.go).
test.each([
  ['across-numa-nodes', 10],
  ['same-numa-node', 20],
  ['host-bridge', 30],
  ['several-switches', 40],
  ['one-switch', 50],
  ['same-board', 60],
] as const)('%s alone is worth %i', (pcie, score) => {
  expect(scoreOf({ pcie }, { pcie })).toBe(score);
});

test.each<readonly [string, number, End, End]>([
  ['one NVLink', 100, { nvlinks: 1 }, { nvlinks: 1 }],
  ['eighteen NVLinks', 1800, { nvlinks: 18 }, { nvlinks: 18 }],
  [
    'two NVLinks and a way over PCIe',
    230,
    { nvlinks: 2, pcie: 'host-bridge' },
    { nvlinks: 2, pcie: 'host-bridge' },
  ],
  [
    'a fabric of NVSwitches',
    1810,
    { nvswitchLinks: 18, pcie: 'across-numa-nodes' },
    { nvswitchLinks: 18, pcie: null },
  ],
  ['a fabric that one end is joined to by less', 1200, { nvswitchLinks: 18 }, { nvswitchLinks: 12 }],
  ['links of which one end has lost one', 300, { nvlinks: 4 }, { nvlinks: 3 }],
  ['what one end alone can tell', 410, { nvlinks: 4, pcie: 'across-numa-nodes' }, null],
  ['two ways over PCIe of which the longer holds', 10, { pcie: 'across-numa-nodes' }, { pcie: 'one-switch' }],
  ['nothing', 0, null, null],
  ['counts that are none', 0, { nvlinks: Number.NaN }, { nvlinks: -3 }],
  ['a count beyond belief', 100_000, { nvlinks: Number.POSITIVE_INFINITY }, { nvlinks: 1e300 }],
])('%s: %i', (_, score, there, back) => {
  expect(scoreOf(there, back)).toBe(score);
});

test.each<readonly [string, number, readonly (number | null)[], End]>([
  ['one node, where nothing else is known', 20, [1, 1], null],
  ['two nodes, where nothing else is known', 10, [0, 1], { nvlinks: 0 }],
  ['a node that one end knows', 0, [0, null], null],
  ['one node beside NVLinks', 220, [0, 0], { nvlinks: 2 }],
  ['two nodes, where PCIe knows better', 50, [0, 1], { pcie: 'one-switch' }],
])('NUMA, %s: %i', (_, score, numaNodes, end) => {
  expect(scoreOf(end, end, numaNodes)).toBe(score);
});

test('a GPU has no score with itself or with one that is not there', () => {
  const links = scoreMatrix(linkedNode(2, [{ between: [0, 1], nvlinks: 1 }]));
  expect(links.between(uuidOf(0), uuidOf(0))).toBe(0);
  expect(links.between(uuidOf(0), 'GPU-gone')).toBe(0);
  expect(links.between('', uuidOf(1))).toBe(0);
});

test('a score is the same both ways and a whole number, whatever the ends say', () => {
  const count = fc.oneof(fc.integer({ min: -1, max: 40 }), fc.double());
  const end = fc.option(
    fc.record({ nvlinks: count, nvswitchLinks: count, pcie: fc.option(fc.constantFrom(...pcieDistances)) }),
  );
  const numaNode = fc.option(fc.integer({ min: 0, max: 2 }));
  fc.assert(
    fc.property(end, end, numaNode, numaNode, (there, back, numa, otherNuma) => {
      const score = scoreOf(there, back, [numa, otherNuma]);
      expect(score).toBe(scoreOf(back, there, [otherNuma, numa]));
      expect(score).toSatisfy(Number.isSafeInteger);
      expect(score).toBeGreaterThanOrEqual(0);
    }),
  );
});
