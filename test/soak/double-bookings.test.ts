import { describe, expect, test } from 'vitest';
import { findDoubleBookings } from '../cluster/soak/double-bookings.ts';
import type { Observation } from '../cluster/soak/observation.ts';
import { knowPods, type Resident, seeNode } from './node-seen.ts';

const one: Resident = { name: 'one', gpus: { main: ['a', 'b'] } };
const two: Resident = { name: 'two', gpus: { main: ['c'], second: ['d'] } };
const thief: Resident = { name: 'thief', gpus: { main: ['b'] } };
const fair = seeNode([one, two]);
const foul = seeNode([one, two, thief]);

/** The rest of a node on which only one witness sees the double booking. */
function only(witness: 'running' | 'checkpoint' | 'holdings'): Observation {
  return { ...fair, [witness]: foul[witness] };
}

describe('a GPU in two containers', () => {
  test('is not found where there is none', () => {
    expect(findDoubleBookings(fair, knowPods([one, two]))).toEqual({ violations: [], afterForce: [] });
  });

  test.each([
    ['running', "b is in one/main and in thief/main, by the containers' own environment"],
    ['holdings', "b is in soak/one/main and in soak/thief/main, by the kubelet's pod resources"],
    ['checkpoint', "b is in uid-one/main and in uid-thief/main, by the kubelet's checkpoint"],
  ] as const)('is found when nobody but one witness sees it: %s', (witness, detail) => {
    const { violations } = findDoubleBookings(only(witness), knowPods([one, two, thief]));
    expect(violations).toEqual([{ rule: 'no GPU is in two containers', detail }]);
  });

  test('is found within one pod, too', () => {
    const pod: Resident = { name: 'pod', gpus: { main: ['a'], second: ['a'] } };
    expect(findDoubleBookings(seeNode([pod]), knowPods([pod])).violations).toHaveLength(3);
  });

  test('is none in the checkpoint when an init container has handed it on', () => {
    const pod: Resident = { name: 'pod', gpus: { before: ['a'], main: ['a'] }, kinds: { before: 'init' } };
    const seen = { ...seeNode([pod]), running: [], holdings: [] };
    expect(findDoubleBookings(seen, knowPods([pod])).violations).toEqual([]);
  });

  test('is one there when a sidecar and an app have it, or the init container of another pod', () => {
    const helped: Resident = {
      name: 'pod',
      gpus: { helper: ['a'], main: ['a'] },
      kinds: { helper: 'sidecar' },
    };
    const staged: Resident = { name: 'staged', gpus: { before: ['b'] }, kinds: { before: 'init' } };
    for (const residents of [[helped], [staged, thief]]) {
      const seen = { ...seeNode(residents), running: [], holdings: [] };
      expect(findDoubleBookings(seen, knowPods(residents)).violations).toHaveLength(1);
    }
  });

  test('is counted apart when a pod that was deleted by force has not ended', () => {
    const forced = { ...thief, forced: true };
    const found = findDoubleBookings(only('running'), knowPods([one, two, forced]));
    expect(found).toEqual({ violations: [], afterForce: ['b: one/main, thief/main'] });
  });

  test('is not looked for where the kubelet was not asked', () => {
    const seen = { ...only('holdings'), holdings: null };
    expect(findDoubleBookings(seen, knowPods([one, two])).violations).toEqual([]);
  });
});
