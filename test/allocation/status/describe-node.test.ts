import { describe, expect, it } from 'vitest';
import type { BookedDevices } from '../../../src/allocation/holdings/events.ts';
import { encodeRecord } from '../../../src/allocation/record.ts';
import { describeNode, type NodeFacts } from '../../../src/allocation/status/describe-node.ts';
import type { HolderStatus } from '../../../src/allocation/status/holder-status.ts';
import type { NodeStatus } from '../../../src/allocation/status/node-status.ts';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { snapshotOf } from '../../support/snapshots.ts';
import { bookedDevice, bookedUnits, History, listedUnits, units } from '../holdings/history.ts';
import { gpus, nodeFacts, offerOf } from './node-facts.ts';

/** Everything that is said of a holder, in one line. */
function inWords(holder: HolderStatus): string {
  const { namespace, pod, container, podUid, resource, share, memoryMiB, devices, state } = holder;
  return [
    `${namespace}/${pod}/${container}`,
    podUid,
    resource.replace('nvidia.com/', ''),
    share === 'memory' ? `${holder.units} units` : `${share} ${devices.join('+')}`,
    `${memoryMiB} MiB`,
    state,
  ].join(', ');
}

/** The holders of each GPU that has some, by UUID; `-` for those on none. */
function holdersOf({ gpus: found, elsewhere }: NodeStatus): Readonly<Record<string, readonly string[]>> {
  const all = [
    ...found.map(({ uuid, holders }) => [uuid, holders ?? []] as const),
    ['-', elsewhere] as const,
  ];
  return Object.fromEntries(
    all.filter(([, holders]) => holders.length > 0).map(([uuid, holders]) => [uuid, holders.map(inWords)]),
  );
}

const ours = (uuid: string): string => encodeRecord({ version: 1, gpus: [{ uuid, mib: 9216 }] });
const migRecord = encodeRecord({ version: 1, gpus: [{ uuid: 'GPU-d', mig: 'MIG-1', mib: 4864 }] });
const two: BookedDevices = {
  podUid: 'p',
  container: 'app',
  resource: 'nvidia.com/gpu',
  deviceIds: ['GPU-a', 'GPU-b'],
  record: encodeRecord({
    version: 1,
    gpus: [
      { uuid: 'GPU-a', mib: 9216 },
      { uuid: 'GPU-b', mib: null },
    ],
  }),
};
const held = bookedUnits('p', units(0, 3), 'GPU-a');

describe('who holds what', () => {
  it.each<[string, History, Readonly<Record<string, readonly string[]>>]>([
    ['nobody', History.settled(), {}],
    [
      'memory, of a container that the kubelet lists',
      History.settled(held).listed(1, listedUnits('trainer', units(0, 3))),
      { 'GPU-a': ['ns/trainer/app, p, gpu-memory, 3 units, 1024 MiB, held'] },
    ],
    [
      'memory, of a container that it does not list',
      History.settled(held),
      { 'GPU-a': ['null/null/app, p, gpu-memory, 3 units, 1024 MiB, held'] },
    ],
    [
      'an answer that the kubelet has not written down yet',
      History.settled().answered(1, units(0, 2), 'GPU-b'),
      { 'GPU-b': ['null/null/null, , gpu-memory, 2 units, 1024 MiB, pending'] },
    ],
    [
      'a container that has left the list',
      History.settled(held)
        .listed(1, listedUnits('trainer', units(0, 3)))
        .listed(2, []),
      { 'GPU-a': ['ns/trainer/app, p, gpu-memory, 3 units, 1024 MiB, ending'] },
    ],
    [
      'one that a restarted kubelet lost sight of',
      History.settled(held).kubelet(1, []),
      { 'GPU-a': ['null/null/app, p, gpu-memory, 3 units, 1024 MiB, orphan'] },
    ],
    [
      'one whose memory stays booked for a while',
      new History(-3600, 60_000).found(0, [held]).round(0, [held]).round(0, [held]).round(9, []),
      { 'GPU-a': ['null/null/app, p, gpu-memory, 3 units, 1024 MiB, releasing'] },
    ],
    [
      'a whole GPU',
      History.settled(bookedDevice('p', 'GPU-b', ours('GPU-b'))),
      { 'GPU-b': ['null/null/app, p, gpu, whole GPU-b, 9216 MiB, held'] },
    ],
    [
      'two GPUs, each with its own part',
      History.settled(two),
      {
        'GPU-a': ['null/null/app, p, gpu, whole GPU-a, 9216 MiB, held'],
        'GPU-b': ['null/null/app, p, gpu, whole GPU-b, null MiB, held'],
      },
    ],
    [
      'a whole GPU of another plugin',
      History.settled(bookedDevice('p', 'GPU-c')),
      { 'GPU-c': ['null/null/app, p, gpu, whole GPU-c, null MiB, inherited'] },
    ],
    [
      'a MIG instance, ours and of another plugin',
      History.settled(
        bookedDevice('p', 'MIG-1', migRecord, 'nvidia.com/mig-1g.5gb'),
        bookedDevice('q', 'MIG-1', null, 'nvidia.com/mig-1g.5gb'),
      ),
      {
        'GPU-d': [
          'null/null/app, p, mig-1g.5gb, mig MIG-1, 4864 MiB, held',
          'null/null/app, q, mig-1g.5gb, mig MIG-1, null MiB, inherited',
        ],
      },
    ],
    [
      'a time slice, which books no memory',
      History.settled(bookedDevice('p', 'GPU-a::1', ours('GPU-a'))),
      { 'GPU-a': ['null/null/app, p, gpu, time-slice GPU-a::1, null MiB, held'] },
    ],
    [
      'what nobody can place',
      History.settled(bookedDevice('p', 'm3', null, memoryResource), bookedDevice('q', 'GPU-x')),
      {
        '-': [
          'null/null/app, p, gpu-memory, 1 units, null MiB, foreign',
          'null/null/app, q, gpu, whole GPU-x, null MiB, foreign',
        ],
      },
    ],
  ])('%s', (_, history, expected) => {
    expect(holdersOf(describeNode(nodeFacts(history)))).toEqual(expected);
  });
});

describe('the figures of memory', () => {
  const figures = ({ memory, gpus: found }: NodeStatus): object => ({
    ...memory,
    gpus: found.map(
      (each) => each.memory && `${each.memory.heldUnits}/${each.memory.units}, ${each.memory.freeUnits} free`,
    ),
  });

  it('count ids once, and promise what fits', () => {
    // The second container of the pod has two of the ids of the first.
    const shared = bookedUnits('p', units(1, 3), 'GPU-a', 'sidecar');
    const history = History.settled(held, shared, bookedDevice('q', 'GPU-b', ours('GPU-b')));
    expect(figures(describeNode(nodeFacts(history)))).toEqual({
      unitMiB: 1024,
      units: 24,
      heldUnits: 4,
      promisedUnits: 9,
      largestHole: 8,
      enforcement: 'advisory',
      maxPerContainer: 4,
      fit: 'guaranteed',
      paused: null,
      heldBackTo: null,
      gpus: ['4/8, 4 free', '0/8, 0 free', '0/8, 8 free', null],
    });
  });

  it.each<[string, NodeFacts, object]>([
    [
      'a fault takes the hole',
      nodeFacts(History.settled(held), {
        offer: offerOf(History.settled(held), { faults: new Map([['GPU-b', 'it is lost']]) }),
      }),
      { heldUnits: 3, gpus: ['3/8, 5 free', '0/8, 0 free', '0/8, 8 free', null] },
    ],
    [
      'a pause promises nothing',
      nodeFacts(History.settled(held, bookedDevice('q', 'GPU-x'))),
      { heldUnits: 3, promisedUnits: 0, largestHole: 8, paused: 'foreign-allocation' },
    ],
    [
      'a refusal holds back',
      nodeFacts(History.settled(), {
        offer: offerOf(History.settled(), { damping: { limit: 3, untilMs: 60_000, periodMs: 60_000 } }),
      }),
      { promisedUnits: 3, heldBackTo: 3 },
    ],
    [
      'a refusal of long ago does not',
      nodeFacts(History.settled(), {
        offer: offerOf(History.settled(), { damping: { limit: 3, untilMs: -1, periodMs: 60_000 } }),
      }),
      { promisedUnits: 18, heldBackTo: null },
    ],
    [
      'what is not tracked is not known',
      nodeFacts(History.settled(held), {
        agent: { version: '0.1.0', role: 'standby', reason: 'standing by' },
      }),
      {
        units: 24,
        heldUnits: null,
        promisedUnits: null,
        largestHole: null,
        paused: null,
        gpus: ['null/8, null free', 'null/8, null free', 'null/8, null free', null],
      },
    ],
  ])('%s', (_, facts, expected) => {
    expect(figures(describeNode(facts))).toMatchObject(expected);
  });

  it('are none where no memory is offered or held', () => {
    const offer = offerOf(History.settled());
    const plan = { ...offer.plan, gpus: [], units: 0 };
    expect(describeNode(nodeFacts(History.settled(), { offer: { ...offer, plan } })).memory).toBeNull();
    const left = offerOf(History.settled(held), { plan });
    expect(describeNode(nodeFacts(History.settled(held), { offer: left })).memory).toMatchObject({
      units: 0,
      heldUnits: 3,
      promisedUnits: 0,
    });
  });
});

describe('how far it is known', () => {
  const standby = { version: '0.1.0', role: 'standby', reason: 'standing by' } as const;
  it.each<[string, NodeFacts, NodeStatus['holdings']['state']]>([
    ['all', nodeFacts(History.settled(held)), 'known'],
    ['a record from before', nodeFacts(new History().found(0, [held])), 'starting'],
    ['an unreadable record', nodeFacts(History.settled(held).round(1, 'unreadable')), 'unreadable'],
    ['nobody needs it', nodeFacts(History.settled(held), { isTracked: false }), 'not-tracked'],
    ['another agent knows', nodeFacts(History.settled(held), { agent: standby }), 'not-tracked'],
  ])('%s', (_, facts, state) => {
    const status = describeNode(facts);
    expect(status.holdings.state).toBe(state);
    expect(status.holdings.reason === null).toBe(state === 'known');
    const holders = status.gpus.map((each) => each.holders?.length ?? null);
    expect(holders).toEqual(state === 'not-tracked' ? [null, null, null, null] : [1, 0, 0, 0]);
  });
});

describe('a GPU', () => {
  it('says what it has, as what it is offered and what is withheld of it', () => {
    const [a, , , d] = describeNode(nodeFacts(History.settled())).gpus;
    expect(a).toMatchObject({
      index: 0,
      product: 'NVIDIA A100-SXM4-40GB',
      totalMiB: 9216,
      reservedMiB: 1024,
      withoutMemory: null,
      migInstances: [],
      fault: null,
      offeredAs: ['nvidia.com/gpu'],
      withheld: ['other-use'],
    });
    expect(d).toMatchObject({
      memory: null,
      reservedMiB: 512,
      withoutMemory: 'in MIG mode',
      migInstances: [{ uuid: 'MIG-1', profile: '1g.5gb' }],
      offeredAs: ['nvidia.com/mig-1g.5gb'],
      withheld: [],
    });
  });

  it('says why it cannot be used', () => {
    const sick = gpus.map((each) => (each.uuid === 'GPU-c' ? { ...each, error: 'GPU is lost' } : each));
    const found = describeNode(nodeFacts(History.settled(), { snapshot: snapshotOf(sick) })).gpus;
    expect(found.map(({ fault }) => fault)).toEqual([null, null, 'GPU is lost', null]);
  });

  it('comes in order of index', () => {
    const facts = nodeFacts(History.settled(), { snapshot: snapshotOf(gpus.toReversed()) });
    expect(describeNode(facts).gpus.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });
});

it('counts devices by the reason why they are Unhealthy', () => {
  const [gpu] = describeNode(nodeFacts(History.settled())).resources;
  expect(gpu).toEqual({
    resource: 'nvidia.com/gpu',
    isConnected: true,
    healthy: 2,
    unhealthy: 1,
    withheld: { 'other-use': 1 },
  });
});

it('is the same after a way through JSON', () => {
  const history = History.settled(held, two, bookedDevice('q', 'GPU-x')).answered(1, units(8, 2), 'GPU-c');
  const status = describeNode(nodeFacts(history));
  expect(JSON.parse(JSON.stringify(status))).toEqual(status);
});

it('tells of GPUs that something is held against and that the driver does not name', () => {
  const well = { since: '2026-11-23T03:00:00.000Z', unmonitored: null, findings: [] };
  const health: NodeFacts['health'] = new Map([
    ['GPU-a', { ...well, state: 'unhealthy' }],
    ['GPU-y', { ...well, state: 'degraded' }],
    ['GPU-z', { ...well, state: 'unhealthy' }],
  ]);
  const missing = [{ uuid: 'GPU-z', health: { ...well, state: 'unhealthy' } }];
  expect(describeNode(nodeFacts(History.settled(), { health })).missing).toEqual(missing);
  expect(describeNode(nodeFacts(History.settled(), { health, snapshot: null })).missing).toMatchObject([
    { uuid: 'GPU-a' },
    { uuid: 'GPU-z' },
  ]);
});
