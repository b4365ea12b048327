import { describe, expect, test } from 'vitest';
import { findMismatches } from '../cluster/soak/mismatches.ts';
import { Patience } from '../cluster/soak/patience.ts';
import type { Observation } from '../cluster/soak/observation.ts';
import { knowPods, type Resident, seeNode } from './node-seen.ts';

const residents: readonly Resident[] = [
  { name: 'one', gpus: { main: ['a', 'b'] } },
  { name: 'two', gpus: { helper: ['c'], main: ['d'] }, kinds: { helper: 'sidecar' } },
];
const known = knowPods(residents);
const fair = seeNode(residents);
const eight = { wellGpus: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], kubelet: 0, withheld: [] };

/** The same node, one entry of a witness changed. */
function changed<Witness extends 'running' | 'checkpoint' | 'pods'>(
  witness: Witness,
  change: Partial<Observation[Witness][number]>,
): Observation {
  return { ...fair, [witness]: fair[witness].map((each, at) => (at === 0 ? { ...each, ...change } : each)) };
}

describe('what witnesses do not agree on', () => {
  test('is nothing when all is well', () => {
    expect(findMismatches(fair, known, eight)).toEqual([]);
  });

  test.each<[string, Observation, readonly string[]]>([
    [
      'the node has too few',
      { ...fair, allocatable: 7 },
      ["the node's status has 7 GPUs to give, not 8, with kubelet 0"],
    ],
    [
      'the node has none',
      { ...fair, allocatable: null },
      ["the node's status has no GPUs to give, not 8, with kubelet 0"],
    ],
    [
      'a container has another GPU than the kubelet gave',
      changed('running', { gpus: ['a', 'x'] }),
      ['one/main sees a,x, and the checkpoint has a,b'],
    ],
    [
      'a container has not as many GPUs as it asked for',
      changed('running', { gpus: ['a'] }),
      ['one/main asked for 2 whole and has 1 whole', 'one/main sees a, and the checkpoint has a,b'],
    ],
    [
      'the kubelet has lost its record',
      changed('checkpoint', { resource: 'other' }),
      [
        'one/main sees a,b, and the checkpoint has nothing',
        'one/main has by the kubelet a,b, and by the checkpoint nothing',
      ],
    ],
    [
      'the kubelet has forgotten a pod',
      { ...fair, holdings: [] },
      [
        'one/main has by the kubelet nothing, and by the checkpoint a,b',
        'two/helper has by the kubelet nothing, and by the checkpoint c',
        'two/main has by the kubelet nothing, and by the checkpoint d',
      ],
    ],
    [
      'a container is another one than the API server says',
      changed('running', { id: 'other' }),
      ['one/main is one-main by the API server, and other by itself'],
    ],
    [
      'a container does not run',
      { ...fair, running: fair.running.slice(1) },
      ['one/main is one-main by the API server, and nothing by itself'],
    ],
  ])('%s', (_name, seen, expected) => {
    expect(findMismatches(seen, known, eight)).toEqual(expected);
  });

  const shared: Resident = { name: 'shared', gpus: {}, memory: { main: { gpu: 'h', ids: ['m0', 'm1'] } } };
  const withMemory = seeNode([...residents, shared], 7);
  const knownToo = knowPods([...residents, shared]);

  test('is nothing where memory is held: that GPU is not given whole', () => {
    expect(findMismatches(withMemory, knownToo, eight)).toEqual([]);
    expect(findMismatches({ ...withMemory, allocatable: 8 }, knownToo, eight)).toHaveLength(1);
  });

  test('is another amount, or another GPU, than the record says', () => {
    const running = withMemory.running.map((each) =>
      each.pod === 'shared' ? { ...each, gpus: ['g'], memoryMiB: 1024 } : each,
    );
    expect(findMismatches({ ...withMemory, running }, knownToo, eight)).toEqual([
      'shared/main asked for 2048 MiB of 1 GPU and has 1024 MiB of 1 GPU',
      'shared/main sees g, and the checkpoint has h',
    ]);
  });

  test('is not sought in a pod that is going', () => {
    const seen = changed('pods', { deleting: true });
    expect(findMismatches({ ...seen, running: fair.running.slice(1) }, known, eight)).toEqual([]);
  });
});

describe('patience', () => {
  test('ends with a mismatch that stays, and begins anew with one that was away', () => {
    const patience = new Patience(10);
    expect(patience.judge(['a', 'b'], 0)).toEqual([]);
    expect(patience.judge(['a'], 10)).toEqual([]);
    expect(patience.judge(['a', 'b'], 11)).toEqual(['a']);
    expect(patience.judge(['b'], 21)).toEqual([]);
    expect(patience.judge(['b'], 22)).toEqual(['b']);
  });
});
