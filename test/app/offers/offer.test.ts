import { describe, expect, it } from 'vitest';
import { scoreMatrix } from '../../../src/allocation/preferred/topology.ts';
import { Refusal } from '../../../src/kubelet/handlers.ts';
import type { PlannedDevice } from '../../../src/resources/planned-device.ts';
import { asPlan, nodeFacts, planned, testOffer } from '../test-offer.ts';

const gpus = [planned(0), planned(1), planned(2)];

/** The list in short: `GPU-0 Healthy`. */
function listOf({ offer }: ReturnType<typeof testOffer>): readonly string[] {
  return offer.list.value.map(({ id, health }) => `${id} ${health}`);
}

/** How often the list was published since the call. */
function countLists({ offer }: ReturnType<typeof testOffer>): { count(): number } {
  let seen = -1;
  const stop = new AbortController();
  void (async () => {
    for await (const list of offer.list.values(stop.signal)) {
      expect(list).toBe(offer.list.value);
      seen += 1;
    }
  })();
  return { count: () => seen };
}

describe('the list of an offer', () => {
  it('has the planned devices in order of index, with health and NUMA node', () => {
    const node = testOffer();
    node.offer.update(
      asPlan([planned(2, { numaNode: 1 }), planned(0), planned(1, { fault: 'GPU is lost' })]),
      nodeFacts,
    );
    expect(node.offer.list.value).toEqual([
      { id: 'GPU-0', health: 'Healthy', numaNode: null },
      { id: 'GPU-1', health: 'Unhealthy', numaNode: null },
      { id: 'GPU-2', health: 'Healthy', numaNode: 1 },
    ]);
    expect(node.reports).toEqual(['nvidia.com/gpu 2 healthy 1 unhealthy']);
  });

  it('is published when it changes, and only then', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    const lists = countLists(node);
    for (const plan of [gpus, gpus.toReversed(), gpus]) {
      node.offer.update(asPlan(plan), nodeFacts);
      await node.clock.advance(1000);
    }
    expect(lists.count()).toBe(0);
    node.offer.update(asPlan([planned(0, { fault: 'GPU is lost' }), planned(1), planned(2)]), nodeFacts);
    await node.clock.advance(0);
    expect(lists.count()).toBe(1);
    expect(node.lines.filter(({ msg }) => msg === 'device list changed')).toHaveLength(2);
  });

  it('is published unchanged when it is to be sent again', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    await node.clock.advance(0);
    const lists = countLists(node);
    await node.clock.advance(0);
    node.offer.resend();
    await node.clock.advance(0);
    expect(lists.count()).toBe(1);
  });

  it('says once why a GPU is unhealthy, and that it is healthy again', () => {
    const node = testOffer();
    const sick = [planned(0, { fault: 'GPU is lost' }), planned(1)];
    for (const plan of [[planned(0), planned(1)], sick, sick, sick, [planned(0), planned(1)]])
      node.offer.update(asPlan(plan), nodeFacts);
    const told = node.lines.filter(({ msg }) => msg.startsWith('GPU is'));
    expect(told).toMatchObject([
      { level: 'warn', msg: 'GPU is unhealthy', gpu: 'GPU-0', index: 0, reason: 'GPU is lost' },
      { level: 'info', msg: 'GPU is healthy again', gpu: 'GPU-0' },
    ]);
  });
});

describe('a device that is no longer planned', () => {
  it('stays, Unhealthy, until it is let go, however often the plan is made anew', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    await node.clock.advance(500);
    for (let turn = 0; turn < 60; turn += 1) {
      node.offer.update(asPlan([planned(0), planned(2)]), nodeFacts);
      await node.clock.advance(1000);
    }
    expect(listOf(node)).toEqual(['GPU-0 Healthy', 'GPU-1 Unhealthy', 'GPU-2 Healthy']);
    expect(node.offer.leaving).toEqual([{ id: 'GPU-1', sinceMs: 500 }]);
  });

  it('is let go after 10 s, when nobody holds it', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    node.offer.update(asPlan([planned(0)]), nodeFacts);
    await node.clock.advance(9999);
    node.offer.letGo(new Set());
    expect(listOf(node)).toHaveLength(3);
    await node.clock.advance(1);
    node.offer.letGo(new Set(['GPU-2']));
    expect(listOf(node)).toEqual(['GPU-0 Healthy', 'GPU-2 Unhealthy']);
    node.offer.letGo(new Set());
    expect(listOf(node)).toEqual(['GPU-0 Healthy']);
    expect(node.offer.leaving).toEqual([]);
  });

  it('is healthy at once when it comes back, and waits anew when it goes again', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    node.offer.update(asPlan([planned(0), planned(1)]), nodeFacts);
    await node.clock.advance(9000);
    node.offer.update(asPlan(gpus), nodeFacts);
    expect(listOf(node)).toContain('GPU-2 Healthy');
    node.offer.update(asPlan([planned(0), planned(1)]), nodeFacts);
    await node.clock.advance(9000);
    node.offer.letGo(new Set());
    expect(listOf(node)).toContain('GPU-2 Unhealthy');
  });

  it('is refused, with the reason', () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    node.offer.update(asPlan([planned(0)]), nodeFacts);
    expect(() => node.offer.allocate(['GPU-1'])).toThrow('the GPU is no longer on this node');
  });
});

describe('what a pod may hold', () => {
  const left = ({ offer }: ReturnType<typeof testOffer>, ...staying: number[]): readonly string[] =>
    offer.leftBehind(staying.map((index) => planned(index))).map(({ id }) => id);

  it('is what was Healthy once and is planned no more, until it is let go', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    expect(left(node, 0, 1, 2)).toEqual([]);
    expect(left(node, 1)).toEqual(['GPU-0', 'GPU-2']);
    node.offer.update(asPlan([planned(1)]), nodeFacts);
    expect(left(node, 1)).toEqual(['GPU-0', 'GPU-2']);
    await node.clock.advance(10_000);
    node.offer.letGo(new Set(['GPU-2']));
    expect(left(node, 1)).toEqual(['GPU-2']);
  });

  it('is not what was never Healthy', () => {
    const node = testOffer();
    node.offer.update(asPlan([planned(0, { fault: 'blocked' }), planned(1)]), nodeFacts);
    node.offer.update(asPlan([planned(0, { fault: 'blocked' }), planned(1, { fault: 'lost' })]), nodeFacts);
    expect(left(node)).toEqual(['GPU-1']);
  });

  it('is what the kubelet has booked, planned or not', () => {
    const node = testOffer();
    const plan = asPlan([planned(0, { fault: 'blocked' })]);
    node.offer.update(plan, nodeFacts);
    node.offer.keepHeld([planned(0, { fault: 'held' }), planned(7, { fault: 'held' })]);
    node.offer.update(plan, nodeFacts);
    expect(left(node)).toEqual(['GPU-0', 'GPU-7']);
    expect(listOf(node)).toEqual(['GPU-0 Unhealthy', 'GPU-7 Unhealthy']);
    expect(node.offer.leaving).toEqual([{ id: 'GPU-7', sinceMs: 0 }]);
  });
});

describe('time slices of one GPU', () => {
  const slices = (count: number, own: Partial<PlannedDevice> = {}): readonly PlannedDevice[] =>
    Array.from({ length: count }, (_, replica) => planned(0, { ...own, id: `GPU-0::${replica}`, replica }));

  it('are listed by number, and a fault of theirs is said once', () => {
    const node = testOffer();
    node.offer.update(asPlan(slices(11).toReversed()), nodeFacts);
    expect(node.offer.list.value.map(({ id }) => id)).toEqual(slices(11).map(({ id }) => id));
    node.offer.update(asPlan(slices(11, { fault: 'GPU is lost' })), nodeFacts);
    expect(node.lines.filter(({ msg }) => msg === 'GPU is unhealthy')).toMatchObject([{ timeSlices: 11 }]);
  });

  it('are refused beyond one when the plan says so', async () => {
    const node = testOffer();
    node.offer.update({ ...asPlan(slices(3)), oneShareOnly: true }, nodeFacts);
    expect(() => node.offer.allocate(['GPU-0::0', 'GPU-0::1'])).toThrow('at most 1 is allowed');
    expect(node.reports.at(-1)).toBe('nvidia.com/gpu refusal more-than-one-share');
    expect((await node.offer.allocate(['GPU-0::2'])).envs).toEqual({ NVIDIA_VISIBLE_DEVICES: 'GPU-0' });
  });
});

describe('Allocate', () => {
  it('answers in order of index, and counts', async () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    const answer = await node.offer.allocate(['GPU-2', 'GPU-0']);
    expect(answer.envs).toEqual({ NVIDIA_VISIBLE_DEVICES: 'GPU-0,GPU-2' });
    expect(node.reports.slice(1)).toEqual(['nvidia.com/gpu allocation']);
    expect(node.lines.at(-1)).toMatchObject({ msg: 'allocated', devices: ['GPU-0', 'GPU-2'] });
  });

  it.for<[string, readonly string[], Refusal['kind'], string]>([
    ['an unknown id', ['GPU-9'], 'invalid-request', 'unknown-device'],
    ['an id twice', ['GPU-0', 'GPU-0'], 'invalid-request', 'duplicate-device'],
    ['no id', [], 'invalid-request', 'no-device'],
    ['too many', ['1', '2', '3', '4'], 'invalid-request', 'too-many-devices'],
    ['an Unhealthy one', ['GPU-0', 'GPU-1'], 'not-available', 'unhealthy-device'],
  ])('refuses %s, and counts and says so', ([, ids, kind, reason]) => {
    const node = testOffer();
    node.offer.update(asPlan([planned(0), planned(1, { fault: 'GPU is lost' }), planned(2)]), nodeFacts);
    const refused = (): unknown => node.offer.allocate(ids);
    expect(refused).toThrow(Refusal);
    expect(refused).toThrow(expect.objectContaining({ kind }) as Error);
    expect(node.reports.slice(1)).toEqual(Array(2).fill(`nvidia.com/gpu refusal ${reason}`));
    expect(node.lines.at(-1)).toMatchObject({ level: 'warn', reason, asked: ids.length });
  });

  it('with device specs refuses a GPU without a known minor number', async () => {
    const node = testOffer({ passDeviceSpecs: true });
    const gpu = { ...planned(0).gpu, minor: null };
    node.offer.update(asPlan([planned(0, { gpu }), planned(1)]), node.facts);
    expect(() => node.offer.allocate(['GPU-0'])).toThrow('/dev/nvidia<N>');
    expect((await node.offer.allocate(['GPU-1'])).devices).toHaveLength(1);
  });
});

describe('the time of the newest call', () => {
  it.for<[string, (node: ReturnType<typeof testOffer>) => unknown]>([
    ['Allocate', ({ offer }) => offer.allocate(['GPU-0'])],
    [
      'GetPreferredAllocation, which Allocate follows',
      ({ offer }) => offer.prefer({ availableIds: ['GPU-0'], requiredIds: [], size: 1 }),
    ],
  ])('is that of %s', async ([, call]) => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    expect(node.books.calls.now).toEqual({ open: 0, lastAnsweredMs: Number.NEGATIVE_INFINITY });
    await node.clock.advance(1234);
    call(node);
    expect(node.books.calls.now).toEqual({ open: 0, lastAnsweredMs: 1234 });
  });
});

describe('GetPreferredAllocation', () => {
  const joined = { nvlinks: 2, nvswitchLinks: 0, pcie: null };
  const links = scoreMatrix([
    { uuid: 'GPU-0', numaNode: null, links: [] },
    { uuid: 'GPU-1', numaNode: null, links: [{ toUuid: 'GPU-2', ...joined }] },
    { uuid: 'GPU-2', numaNode: null, links: [{ toUuid: 'GPU-1', ...joined }] },
  ]);
  const request = { availableIds: ['GPU-0', 'GPU-1', 'GPU-2'], requiredIds: [], size: 2 };

  it('goes by the links of the plan in force', () => {
    const node = testOffer();
    node.offer.update(asPlan(gpus), nodeFacts);
    expect(node.offer.prefer(request)).toEqual(['GPU-0', 'GPU-1']);
    node.offer.update({ ...asPlan(gpus), preference: { links, policy: 'distributed' } }, nodeFacts);
    expect(node.offer.prefer(request)).toEqual(['GPU-1', 'GPU-2']);
  });

  it('goes by the list in force and the policy', () => {
    const node = testOffer();
    const slices = [0, 1].flatMap((index) =>
      [0, 1].map((replica) => planned(index, { id: `GPU-${index}::${replica}`, replica })),
    );
    const ids = slices.map(({ id }) => id);
    const two = { availableIds: ids.slice(1), requiredIds: [], size: 1 };
    node.offer.update({ ...asPlan(gpus), preference: { links, policy: 'packed' } }, nodeFacts);
    expect(node.offer.prefer(request)).toEqual(['GPU-1', 'GPU-2']);
    node.offer.update({ ...asPlan(slices), preference: { links, policy: 'packed' } }, nodeFacts);
    expect(node.offer.prefer(two)).toEqual(['GPU-0::1']);
    node.offer.update({ ...asPlan(slices), preference: { links, policy: 'distributed' } }, nodeFacts);
    expect(node.offer.prefer(two)).toEqual(['GPU-1::0']);
  });

  it('proposes nothing that the newest list shows Unhealthy, as long as there is something else', () => {
    const node = testOffer();
    node.offer.update(asPlan([planned(0, { fault: 'GPU is lost' }), planned(1), planned(2)]), nodeFacts);
    expect(node.offer.prefer(request)).toEqual(['GPU-1', 'GPU-2']);
    expect(node.offer.prefer({ ...request, size: 3 })).toEqual(['GPU-0', 'GPU-1', 'GPU-2']);
    node.offer.update(asPlan(gpus), nodeFacts);
    expect(node.offer.prefer(request)).toEqual(['GPU-0', 'GPU-1']);
  });

  it('before the first plan is answered as it was asked', () => {
    expect(testOffer().offer.prefer({ availableIds: ['b', 'a'], requiredIds: ['c'], size: 2 })).toEqual([
      'c',
      'b',
    ]);
  });
});
