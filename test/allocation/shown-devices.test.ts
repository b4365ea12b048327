import { describe, expect, it } from 'vitest';
import { dampAfterRefusal } from '../../src/allocation/damping.ts';
import type { MemoryOffer } from '../../src/allocation/memory/memory-view.ts';
import { encodeRecord } from '../../src/allocation/record.ts';
import {
  showMemory,
  showOthers,
  type ShownDevice,
  type WithheldReason,
} from '../../src/allocation/shown-devices.ts';
import { memoryResource, type MemoryPlan } from '../../src/resources/memory-units.ts';
import { gpuResource } from '../../src/resources/resource-name.ts';
import { bookedDevice, bookedUnits, History, listedUnits, node, record, units } from './holdings/history.ts';

/** GPUs a and b, of 4 units each; c is offered whole alone. */
const plan: MemoryPlan = {
  kind: 'planned',
  unitMiB: 1024,
  gpus: ['a', 'b'].map((name, index) => ({
    uuid: `GPU-${name}`,
    index,
    units: 4,
    restMiB: 0,
    totalMiB: 4096,
  })),
  units: 8,
  leftOut: [],
  memoryOnly: new Set(),
  unknownDevices: [],
};

function offerOf({ holdings }: History, changes: Partial<MemoryOffer> = {}): MemoryOffer {
  return {
    plan,
    holdings,
    node,
    faults: new Map(),
    maxPerContainer: null,
    fit: 'sum',
    damping: null,
    ...changes,
  };
}

const letters = {
  fault: 'F',
  'not-promised': '.',
  'other-use': 'u',
  lingering: 'L',
  'books-unknown': '?',
} satisfies Record<WithheldReason, string>;

/** One letter for each device in order: `H` for Healthy. */
function draw(shown: readonly ShownDevice[]): string {
  return shown.map(({ withheld }) => (withheld === null ? 'H' : letters[withheld])).join('');
}

const memory = (history: History, changes?: Partial<MemoryOffer>): string =>
  draw(showMemory(offerOf(history, changes), 0));
const whole = (history: History, changes?: Partial<MemoryOffer>): string =>
  draw(
    showOthers(
      gpuResource,
      ['a', 'b', 'c'].map((name) => ({ id: `GPU-${name}`, gpu: { uuid: `GPU-${name}` } })),
      offerOf(history, changes),
    ),
  );

const a3 = bookedUnits('p', ['m1', 'm4', 'm5'], 'GPU-a');
const wholeOn = (gpu: string) => bookedDevice('w', gpu, encodeRecord(record(gpu)));
const faultA = { faults: new Map([['GPU-a', 'XID 79']]) };
const oldUnit = bookedDevice(
  'o',
  'm2',
  encodeRecord({ ...record('GPU-a'), units: { count: 1, mib: 512 } }),
  memoryResource,
);

describe('the list of memory units', () => {
  it.each<[string, History, Partial<MemoryOffer>, string]>([
    ['an empty node', History.settled(), {}, 'HHHHHHHH'],
    ['an empty node, as much as fits for certain', History.settled(), { fit: 'guaranteed' }, 'HHHHH...'],
    ['the same with a cap of 2', History.settled(), { fit: 'guaranteed', maxPerContainer: 2 }, 'HHHHHHH.'],
    ['held ids, and the lowest free ones', History.settled(a3), { fit: 'guaranteed' }, 'HHHHHHH.'],
    ['a GPU held whole: its units are not counted', History.settled(wholeOn('GPU-b')), {}, 'HHHH....'],
    ['held units and a GPU held whole', History.settled(a3, wholeOn('GPU-b')), {}, 'HH..HH..'],
    ['a fault: held ids and the hole of that GPU', History.settled(a3), faultA, 'HFHHFFH.'],
    [
      'held ids of a GPU that is gone, and others in their place',
      History.settled(bookedDevice('g', 'm0', encodeRecord(record('GPU-x', 1)), memoryResource)),
      {},
      'FHHHHHHHH',
    ],
    [
      'held ids beyond the units of the node',
      History.settled(bookedUnits('p', ['m30'], 'GPU-a')),
      {},
      'HHHHHHH.H',
    ],
    ['a foreign entry: held ids alone', History.settled(a3, bookedDevice('f', 'GPU-x')), {}, '.H..HH..'],
    ['units of another size: held ids alone', History.settled(a3, oldUnit), {}, '.HH.HH..'],
    [
      'an orphan: its ids are withheld, its place is counted',
      History.settled(a3).kubelet(9, []),
      {},
      'HLHHLLHH',
    ],
    [
      'after a refusal of 2',
      History.settled(a3),
      { fit: 'adaptive', damping: dampAfterRefusal(null, 2, 0) },
      'HH..HH..',
    ],
    ['before the books are read', new History(), {}, '........'],
    ['before the first list: by what was found', new History().found(0, [a3]), {}, 'HHHHHHHH'],
    ['after the first List', new History().found(0, [a3]).reread(0.1, [a3]).listed(0.2, []), {}, 'HHHHHHHH'],
    [
      'books that cannot be read: what a List shows',
      new History().found(0, 'unreadable').listed(0, listedUnits('n', units(2, 2))),
      {},
      '..HH....',
    ],
    ['books that broke later', History.settled(a3).round(9, 'unreadable'), {}, '.H..HH..'],
  ])('%s', (_, history, changes, expected) => {
    expect(memory(history, changes)).toBe(expected);
  });

  const init = bookedUnits('p', ['m0'], 'GPU-a', 'init');
  it.each<[string, History, string]>([
    [
      'the app has the id on a sound GPU',
      History.settled(init, bookedUnits('p', ['m0', 'm1'], 'GPU-b')),
      'HH',
    ],
    [
      'in whatever order the checkpoint has them',
      History.settled(bookedUnits('p', ['m0', 'm1'], 'GPU-b'), init).listed(
        1,
        listedUnits('p', ['m0', 'm1']),
      ),
      'HH',
    ],
    [
      'the app has it on the faulty one',
      History.settled(
        bookedUnits('p', ['m0'], 'GPU-b', 'init'),
        bookedUnits('p', ['m0', 'm1'], 'GPU-a'),
      ).listed(1, listedUnits('p', ['m0', 'm1'])),
      'FF',
    ],
    [
      'a pod that has ended had it on the faulty one',
      History.settled(bookedUnits('o', ['m0'], 'GPU-a'))
        .listed(1, listedUnits('o', ['m0']))
        .answered(2, ['m0', 'm1'], 'GPU-b'),
      'HH',
    ],
    [
      'an orphan has it on the faulty one',
      History.settled(bookedUnits('o', ['m0'], 'GPU-a'))
        .kubelet(2, [])
        .answered(3, ['m0', 'm1'], 'GPU-b'),
      'HH',
    ],
  ])('an id that is booked on two GPUs, of which one is faulty: %s', (_, history, expected) => {
    expect(memory(history, faultA).slice(0, 2)).toBe(expected);
  });
});

describe('the list of whole GPUs', () => {
  it.each<[string, History, Partial<MemoryOffer>, string]>([
    ['an empty node', History.settled(), {}, 'HHH'],
    ['a unit is held', History.settled(a3), {}, 'uHH'],
    [
      'a unit is held of a GPU that is offered whole alone by now',
      History.settled(bookedUnits('p', ['m0'], 'GPU-c')),
      {},
      'HHu',
    ],
    ['a GPU is held', History.settled(wholeOn('GPU-a')), {}, 'HHH'],
    ['a GPU is held, with a unit on it', History.settled(wholeOn('GPU-a'), a3), {}, 'HHH'],
    [
      'a replica of it is held, given by another plugin',
      History.settled(bookedDevice('w', 'GPU-a::1')),
      {},
      'uHH',
    ],
    [
      'it is held by the name of another resource',
      History.settled(bookedDevice('w', 'GPU-a', null, 'nvidia.com/a100')),
      {},
      'uHH',
    ],
    ['a fault, held or not', History.settled(wholeOn('GPU-a')), faultA, 'FHH'],
    ['an orphan of memory', History.settled(a3).kubelet(9, []), {}, 'LHH'],
    ['an orphan that had it', History.settled(wholeOn('GPU-a')).kubelet(9, []), {}, 'LHH'],
    ['before the books are read: where memory could sit', new History(), {}, '??H'],
    ['before the first list: by what was found', new History().found(0, [a3]), {}, 'uHH'],
    ['books that broke later', History.settled(wholeOn('GPU-a')).round(9, 'unreadable'), {}, 'H?H'],
    [
      'a foreign unit: whole GPUs are not held back',
      History.settled(bookedDevice('f', 'm1', null, memoryResource)),
      {},
      'HHH',
    ],
    [
      'books that cannot be read: what a List shows',
      new History()
        .found(0, 'unreadable')
        .listed(0, [
          { namespace: 'n', pod: 'p', container: 'c', resourceName: gpuResource, deviceIds: ['GPU-b'] },
        ]),
      {},
      '?HH',
    ],
  ])('%s', (_, history, changes, expected) => {
    expect(whole(history, changes)).toBe(expected);
  });

  it('shows replicas side by side, and none on a GPU with units', () => {
    const replicas = [0, 1].map((number) => ({ id: `GPU-c::${number}`, gpu: { uuid: 'GPU-c' } }));
    const shared = (history: History): string =>
      draw(showOthers('nvidia.com/gpu.shared', replicas, offerOf(history)));
    expect(shared(History.settled(bookedDevice('p', 'GPU-c::0', null, 'nvidia.com/gpu.shared')))).toBe('HH');
    expect(shared(History.settled(bookedUnits('p', ['m0'], 'GPU-c')))).toBe('uu');
    expect(shared(History.settled(wholeOn('GPU-c')))).toBe('uu');
  });
});
