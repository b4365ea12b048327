import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PreferableDevice, preparePreferred } from '../../../src/allocation/preferred/preferred.ts';
import type { SharedDevicesPolicy } from '../../../src/allocation/preferred/preferred-shares.ts';
import { scoreMatrix } from '../../../src/allocation/preferred/topology.ts';

const policies = ['distributed', 'packed', 'spread'] as const;
const links = scoreMatrix([]);

/** Replicas `A::0`, `A::1`, … of GPUs A, B, …, as many of each as told. */
function replicas(...counts: readonly number[]): readonly PreferableDevice[] {
  return counts.flatMap((count, gpu) => {
    const gpuUuid = String.fromCodePoint(65 + gpu);
    return Array.from({ length: count }, (_, replica) => ({ id: `${gpuUuid}::${replica}`, gpuUuid }));
  });
}

/** How many of each GPU's replicas are free; the first ones are taken. */
function freeOf(devices: readonly PreferableDevice[], free: readonly number[]): readonly string[] {
  const gpus = [...new Set(devices.map(({ gpuUuid }) => gpuUuid))];
  return gpus.flatMap((gpu, place) => {
    const own = devices.filter(({ gpuUuid }) => gpuUuid === gpu).map(({ id }) => id);
    return own.slice(own.length - (free[place] ?? 0));
  });
}

describe('replicas', () => {
  const three = replicas(4, 4, 4);
  type Case = readonly [
    name: string,
    free: readonly number[],
    required: readonly string[],
    size: number,
    answers: Readonly<Record<SharedDevicesPolicy, string>>,
  ];
  test.each<Case>([
    ['one of an idle node', [4, 4, 4], [], 1, { distributed: 'A::0', packed: 'A::0', spread: 'A::0' }],
    ['one of a used node', [3, 4, 1], [], 1, { distributed: 'B::0', packed: 'C::3', spread: 'B::0' }],
    ['a full GPU is no choice', [2, 3, 0], [], 1, { distributed: 'B::1', packed: 'A::2', spread: 'B::1' }],
    [
      'three of an idle node',
      [4, 4, 4],
      [],
      3,
      { distributed: 'A::0 B::0 C::0', packed: 'A::0 A::1 A::2', spread: 'A::0 B::0 C::0' },
    ],
    [
      'three of a used node',
      [1, 2, 4],
      [],
      3,
      { distributed: 'B::2 C::0 C::1', packed: 'A::3 B::2 B::3', spread: 'A::3 B::2 C::0' },
    ],
    [
      'five, a GPU after the other',
      [3, 2, 4],
      [],
      5,
      {
        distributed: 'A::1 A::2 B::2 C::0 C::1',
        packed: 'A::1 A::2 A::3 B::2 B::3',
        spread: 'A::1 A::2 B::2 C::0 C::1',
      },
    ],
    [
      'beside a required one',
      [4, 4, 4],
      ['B::3'],
      2,
      { distributed: 'B::3 A::0', packed: 'B::3 B::0', spread: 'B::3 A::0' },
    ],
    [
      'beside required ones, whose GPU counts as used',
      [3, 4, 2],
      ['B::0', 'B::1'],
      4,
      { distributed: 'B::0 B::1 A::1 C::2', packed: 'B::0 B::1 C::2 C::3', spread: 'B::0 B::1 A::1 C::2' },
    ],
    ['all', [1, 0, 1], [], 2, { distributed: 'A::3 C::3', packed: 'A::3 C::3', spread: 'A::3 C::3' }],
  ])('%s', (_, free, requiredIds, size, answers) => {
    for (const policy of policies) {
      const prefer = preparePreferred(three, { links, policy });
      const answer = prefer({ availableIds: freeOf(three, free), requiredIds, size });
      expect([policy, answer.join(' ')]).toEqual([policy, answers[policy]]);
    }
  });
});

describe('MIG instances, which nothing tells apart but their GPU', () => {
  const devices = [
    { id: 'MIG-0', gpuUuid: 'A' },
    { id: 'MIG-1', gpuUuid: 'A' },
    { id: 'MIG-2', gpuUuid: 'A' },
    { id: 'MIG-3', gpuUuid: 'B' },
    { id: 'MIG-4', gpuUuid: 'B' },
    { id: 'MIG-5', gpuUuid: 'B' },
  ];
  const shared = devices.flatMap(({ id, gpuUuid }) => [0, 1].map((n) => ({ id: `${id}::${n}`, gpuUuid })));

  test.each<
    readonly [
      string,
      readonly PreferableDevice[],
      taken: readonly string[],
      number,
      Readonly<Record<SharedDevicesPolicy, string>>,
    ]
  >([
    [
      'two, all free',
      devices,
      [],
      2,
      { distributed: 'MIG-0 MIG-3', packed: 'MIG-0 MIG-1', spread: 'MIG-0 MIG-3' },
    ],
    [
      'one, with one taken',
      devices,
      ['MIG-1'],
      1,
      { distributed: 'MIG-3', packed: 'MIG-0', spread: 'MIG-3' },
    ],
    [
      'three, with two taken',
      devices,
      ['MIG-3', 'MIG-4'],
      3,
      { distributed: 'MIG-0 MIG-1 MIG-5', packed: 'MIG-0 MIG-1 MIG-5', spread: 'MIG-0 MIG-1 MIG-5' },
    ],
    [
      'replicas: the instance counts before its GPU',
      shared,
      ['MIG-0::0'],
      1,
      { distributed: 'MIG-3::0', packed: 'MIG-0::1', spread: 'MIG-3::0' },
    ],
    [
      'two replicas, with a bit of each instance of one GPU taken',
      shared,
      ['MIG-3::0', 'MIG-4::0', 'MIG-5::0'],
      2,
      { distributed: 'MIG-0::0 MIG-1::0', packed: 'MIG-3::1 MIG-4::1', spread: 'MIG-0::0 MIG-3::1' },
    ],
    [
      'replicas of instances that are used alike',
      shared,
      ['MIG-0::0', 'MIG-3::0', 'MIG-4::1'],
      1,
      { distributed: 'MIG-1::0', packed: 'MIG-3::1', spread: 'MIG-1::0' },
    ],
  ])('%s', (_, listed, taken, size, answers) => {
    for (const policy of policies) {
      const prefer = preparePreferred(listed, { links, policy });
      const availableIds = listed.map(({ id }) => id).filter((id) => !taken.includes(id));
      const answer = prefer({ availableIds, requiredIds: [], size });
      expect([policy, answer.join(' ')]).toEqual([policy, answers[policy]]);
    }
  });
});

interface Counted {
  readonly gpu: string;
  readonly allocated: number;
  readonly picked: number;
}

/** NVIDIA's rules as they are written down: the order in which GPUs are taken from; equal ones by name, which it leaves to chance. */
const rules: Readonly<Record<SharedDevicesPolicy, (a: Counted, b: Counted) => number>> = {
  distributed: (a, b) => a.allocated - b.allocated || a.picked - b.picked,
  packed: (a, b) => b.allocated - a.allocated || a.picked - b.picked,
  spread: (a, b) => a.picked - b.picked || a.allocated - b.allocated,
};

/** How many replicas each GPU gives, by sorting all GPUs anew for every single one. */
function giveByRule(
  policy: SharedDevicesPolicy,
  devices: readonly PreferableDevice[],
  request: {
    readonly availableIds: readonly string[];
    readonly requiredIds: readonly string[];
    readonly size: number;
  },
): readonly string[] {
  const given: string[] = [...request.requiredIds];
  while (given.length < request.size) {
    const open = devices.filter(({ id }) => request.availableIds.includes(id) && !given.includes(id));
    const counted = [...new Set(open.map(({ gpuUuid }) => gpuUuid))].map((gpu): Counted => {
      const all = devices.filter(({ gpuUuid }) => gpuUuid === gpu).length;
      const left = open.filter(({ gpuUuid }) => gpuUuid === gpu).length;
      return { gpu, allocated: all - left, picked: given.filter((id) => id.startsWith(gpu)).length };
    });
    const [first] = counted.toSorted((a, b) => rules[policy](a, b) || (a.gpu < b.gpu ? -1 : 1));
    const device = open.find(({ gpuUuid }) => gpuUuid === first?.gpu);
    if (device === undefined) break;
    given.push(device.id);
  }
  return given.toSorted();
}

test('replicas are taken in the order of the rule', () => {
  const cases = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }).chain((counts) => {
    const devices = replicas(...counts);
    return fc.record({
      devices: fc.constant(devices),
      available: fc.shuffledSubarray(
        devices.map(({ id }) => id),
        { minLength: 1 },
      ),
      required: fc.integer({ min: 0, max: 3 }),
      more: fc.integer({ min: 0, max: 8 }),
      policy: fc.constantFrom(...policies),
    });
  });
  fc.assert(
    fc.property(cases, ({ devices, available, required, more, policy }) => {
      const requiredIds = available.slice(0, required);
      const size = Math.min(requiredIds.length + more, available.length);
      const request = { availableIds: available, requiredIds, size };
      const answer = preparePreferred(devices, { links, policy })(request);
      expect(answer.toSorted()).toEqual(giveByRule(policy, devices, request));
    }),
    { numRuns: 500 },
  );
});
