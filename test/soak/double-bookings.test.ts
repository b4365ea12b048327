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
    ['running', ["b is in one/main: whole, thief/main: whole, by the containers' own environment"]],
    ['holdings', ["b is in soak/one/main and in soak/thief/main, by the kubelet's pod resources"]],
    [
      'checkpoint',
      [
        "b is in uid-one/main and in uid-thief/main, by the kubelet's checkpoint",
        "b is in uid-one/main: whole, uid-thief/main: whole, by the records in the kubelet's checkpoint",
      ],
    ],
  ] as const)('is found when nobody but one witness sees it: %s', (witness, details) => {
    const { violations } = findDoubleBookings(only(witness), knowPods([one, two, thief]));
    expect(violations).toEqual(details.map((detail) => ({ rule: 'nothing is booked twice', detail })));
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
      const { violations } = findDoubleBookings(seen, knowPods(residents));
      expect(violations.filter(({ detail }) => detail.endsWith("by the kubelet's checkpoint"))).toHaveLength(
        1,
      );
    }
  });

  test('is counted apart when a pod that was deleted by force has not ended', () => {
    const forced = { ...thief, forced: true };
    const found = findDoubleBookings(only('running'), knowPods([one, two, forced]));
    expect(found).toEqual({ violations: [], afterForce: ['b is in one/main: whole, thief/main: whole'] });
  });

  const ids = (from: number, count: number): readonly string[] =>
    Array.from({ length: count }, (_none, at) => `m${from + at}`);
  const share = (name: string, gpu: string, from: number, count: number): Resident => ({
    name,
    gpus: {},
    memory: { main: { gpu, ids: ids(from, count) } },
  });
  const detailsOf = (residents: readonly Resident[]): readonly string[] =>
    findDoubleBookings(seeNode(residents), knowPods(residents)).violations.map(({ detail }) => detail);

  test('is none where shares fit side by side', () => {
    expect(detailsOf([one, share('s', 'z', 0, 20), share('t', 'z', 20, 8)])).toEqual([]);
  });

  test('is found where shares of a GPU are more than it has, and beside a whole GPU', () => {
    expect(detailsOf([share('s', 'z', 0, 20), share('t', 'z', 20, 9)])).toEqual([
      "z is in s/main: 20480, t/main: 9216, by the containers' own environment",
      "z is in uid-s/main: 20480, uid-t/main: 9216, by the records in the kubelet's checkpoint",
    ]);
    expect(detailsOf([one, share('s', 'b', 0, 1)])).toHaveLength(2);
  });

  test('is found where two containers have the same unit', () => {
    expect(detailsOf([share('s', 'y', 0, 2), share('t', 'z', 1, 2)])).toEqual([
      "m1 is in soak/s/main and in soak/t/main, by the kubelet's pod resources",
      "m1 is in uid-s/main and in uid-t/main, by the kubelet's checkpoint",
    ]);
  });

  test("is none where an app has its init container's units and more", () => {
    const pod: Resident = {
      name: 'pod',
      gpus: {},
      memory: { before: { gpu: 'z', ids: ids(0, 20) }, main: { gpu: 'z', ids: ids(0, 28) } },
      kinds: { before: 'init' },
    };
    const seen = { ...seeNode([pod]), running: [], holdings: [] };
    expect(findDoubleBookings(seen, knowPods([pod])).violations).toEqual([]);
  });

  test('is not looked for where the kubelet was not asked', () => {
    const seen = { ...only('holdings'), holdings: null };
    expect(findDoubleBookings(seen, knowPods([one, two])).violations).toEqual([]);
  });
});
