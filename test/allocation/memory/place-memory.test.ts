import { describe, expect, it } from 'vitest';
import type { MemoryOffer } from '../../../src/allocation/memory/memory-view.ts';
import {
  placeMemory,
  type MemoryDecision,
  type MemoryRequest,
} from '../../../src/allocation/memory/place-memory.ts';
import { encodeRecord } from '../../../src/allocation/record.ts';
import type { MemoryPlan } from '../../../src/resources/memory-units.ts';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { bookedDevice, bookedUnits, History, listedUnits, node, record, units } from '../holdings/history.ts';

/** Three GPUs of 10 units, and half a unit over. */
const plan: MemoryPlan = {
  kind: 'planned',
  unitMiB: 1024,
  gpus: ['a', 'b', 'c'].map((name, index) => ({
    uuid: `GPU-${name}`,
    index,
    units: 10,
    restMiB: 512,
    totalMiB: 10 * 1024 + 512,
  })),
  units: 30,
  leftOut: [],
  memoryOnly: new Set(),
  unknownDevices: [],
};

function offerOf(history: History, changes: Partial<MemoryOffer> = {}): MemoryOffer {
  const { holdings } = history;
  return {
    plan,
    holdings,
    node,
    faults: new Map(),
    maxPerContainer: null,
    fit: 'guaranteed',
    damping: null,
    ...changes,
  };
}

/** The GPU and the MiB that are given, or why not. */
function place(
  history: History,
  ids: readonly string[],
  books: MemoryRequest['books'] = 'reread',
  changes: Partial<MemoryOffer> = {},
): string {
  const decision = placeMemory({ ids, books }, offerOf(history, changes));
  if (decision.kind === 'granted') return `${decision.gpu.uuid} ${decision.memoryMiB}`;
  return decision.kind === 'refused'
    ? `${decision.reason}${decision.isMisfit ? ', misfit' : ''}`
    : decision.kind;
}

function messageOf(decision: MemoryDecision): string {
  return decision.kind === 'refused' ? decision.message : decision.kind;
}

const fresh = units(20, 3);
const a6 = bookedUnits('p', units(0, 6), 'GPU-a');
const b4 = bookedUnits('q', units(6, 4), 'GPU-b');
const whole = (name: string) => bookedDevice('w', `GPU-${name}`, encodeRecord(record(`GPU-${name}`)));

describe('placeMemory, for ids that nobody holds', () => {
  it.each<[string, History, readonly string[], string]>([
    ['the first GPU of an empty node', History.settled(), fresh, 'GPU-a 3072'],
    ['the smallest hole that fits', History.settled(a6, b4), fresh, 'GPU-a 3072'],
    ['a larger hole when the smallest does not fit', History.settled(a6, b4), units(20, 5), 'GPU-b 5120'],
    ['an untouched GPU last', History.settled(a6, b4), units(20, 7), 'GPU-c 7168'],
    [
      'an untouched GPU not before a touched one with a larger hole',
      History.settled(bookedUnits('p', ['m0'], 'GPU-c')),
      fresh,
      'GPU-c 3072',
    ],
    [
      'a GPU with an orphan all the same',
      History.settled(a6, whole('b'), whole('c')).kubelet(100, [whole('b'), whole('c')]),
      fresh,
      'GPU-a 3072',
    ],
    [
      'a GPU with a larger hole and no orphan',
      History.settled(a6, b4).kubelet(100, [b4]),
      fresh,
      'GPU-b 3072',
    ],
    [
      'an untouched GPU rather than one with an orphan',
      History.settled(a6).kubelet(100, []),
      fresh,
      'GPU-b 3072',
    ],
    ['not a GPU that is held whole', History.settled(whole('a'), b4), fresh, 'GPU-b 3072'],
    [
      'not a GPU that another plugin has given',
      History.settled(bookedDevice('w', 'GPU-a::2')),
      fresh,
      'GPU-b 3072',
    ],
    ['what is left below a unit to who has all units', History.settled(), units(0, 10), 'GPU-a 10752'],
    ['not what is left to who has all that were free', History.settled(a6), units(20, 4), 'GPU-a 4096'],
    ['ids that are not listed', History.settled(), ['m500'], 'GPU-a 1024'],
    ['nothing where nothing fits', History.settled(a6, b4, whole('c')), units(20, 7), 'no-room, misfit'],
    ['nothing beyond what one GPU has', History.settled(), units(0, 11), 'over-cap, misfit'],
    ['nothing for no ids', History.settled(), [], 'no-device'],
    ['nothing for an id twice', History.settled(), ['m1', 'm1'], 'duplicate-device'],
    ['nothing for a stranger', History.settled(), ['m1', 'GPU-a'], 'unknown-device'],
  ])('gives %s', (_, history, ids, expected) => {
    expect(place(history, ids)).toBe(expected);
  });

  it('keeps to the cap on one container', () => {
    expect(place(History.settled(), units(0, 4), 'reread', { maxPerContainer: 4 })).toBe('GPU-a 4096');
    expect(place(History.settled(), units(0, 5), 'may-reread', { maxPerContainer: 4 })).toBe(
      'over-cap, misfit',
    );
  });

  it('gives nothing of a GPU with a fault', () => {
    const faults = new Map([['GPU-a', 'XID 79']]);
    expect(place(History.settled(a6), fresh, 'reread', { faults })).toBe('GPU-b 3072');
  });

  it('counts what the record of the grant says', () => {
    const decision = placeMemory({ ids: fresh, books: 'reread' }, offerOf(History.settled()));
    expect(decision).toMatchObject({
      record: { version: 1, gpus: [{ uuid: 'GPU-a', mib: 3072 }], units: { count: 3, mib: 1024 } },
    });
  });
});

describe('placeMemory, for ids that are booked', () => {
  const shown = History.settled(a6).listed(1, listedUnits('p', units(0, 6)));
  const wanted = [...units(0, 2), ...units(20, 2)];
  it.each<[string, History, readonly string[], MemoryRequest['books'], string]>([
    [
      'never shown, the union fits: its GPU',
      History.settled(a6, b4),
      [...units(0, 6), 'm20'],
      'may-reread',
      'GPU-a 7168',
    ],
    [
      'never shown, the union fits exactly',
      History.settled(a6),
      [...units(0, 6), ...units(20, 4)],
      'may-reread',
      'GPU-a 10752',
    ],
    [
      'never shown, the union does not fit: the whole container elsewhere',
      History.settled(a6, bookedUnits('o', units(10, 3), 'GPU-a')),
      [...units(0, 6), 'm20', 'm21'],
      'may-reread',
      'GPU-b 8192',
    ],
    [
      'never shown, its GPU has a fault since',
      History.settled(bookedDevice('p', 'm0', encodeRecord(record('GPU-x', 1)), memoryResource)),
      ['m0'],
      'may-reread',
      'GPU-a 1024',
    ],
    ['shown: a look at the books first', shown, wanted, 'may-reread', 'reread-first'],
    ['shown and still there: the full amount anew', shown, wanted, 'reread', 'GPU-a 4096'],
    [
      'shown and still there, the full amount does not fit beside it',
      shown,
      [...units(0, 2), ...units(20, 3)],
      'reread',
      'GPU-b 5120',
    ],
    [
      'an orphan: the full amount anew',
      History.settled(a6).kubelet(100, []),
      units(0, 6),
      'may-reread',
      'GPU-b 6144',
    ],
  ])('%s', (_, history, ids, books, expected) => {
    expect(place(history, ids, books)).toBe(expected);
  });

  it('decides anew when the look at the books shows that the holder is gone', () => {
    expect(place(shown.reread(10, []), wanted, 'reread')).toBe('GPU-a 4096');
    expect(
      History.settled(a6)
        .listed(1, listedUnits('p', units(0, 6)))
        .reread(10, []).held,
    ).toEqual([]);
  });

  it('books ids of the same pod once, and the ids of a holder that stays in full', () => {
    const shared = placeMemory({ ids: units(0, 6), books: 'may-reread' }, offerOf(History.settled(a6)));
    expect(shared).toMatchObject({ claim: 'p' });
    const history = History.settled(a6).answered(1, units(0, 6), 'GPU-a', 'p');
    expect(place(history, units(20, 4))).toBe('GPU-a 4096');
    const anew = History.settled(a6).answered(1, units(0, 4), 'GPU-a', null);
    expect(place(anew, ['m20'])).toBe('GPU-b 1024');
  });

  it('still counts shared ids once when the kubelet has told whose they are', () => {
    const init = bookedUnits('p', units(0, 6), 'GPU-a', 'init');
    const history = History.settled().answered(1, units(0, 6), 'GPU-a');
    history.answered(2, units(0, 6), 'GPU-a', 'answer 1').reread(3, [init]);
    expect(place(history, units(20, 4))).toBe('GPU-a 4096');
  });
});

describe('placeMemory, before a refusal and while nothing is offered', () => {
  const old = bookedDevice(
    'o',
    'm9',
    encodeRecord({ ...record('GPU-a'), units: { count: 1, mib: 512 } }),
    memoryResource,
  );
  it.each<[string, History, MemoryRequest['books'], string]>([
    [
      'looks at the books before it says that nothing fits',
      History.settled(whole('a'), whole('b'), whole('c')),
      'may-reread',
      'reread-first',
    ],
    ['says it then', History.settled(whole('a'), whole('b'), whole('c')), 'reread', 'no-room, misfit'],
    ['reads the books that no list has made fresh', new History().found(0, []), 'may-reread', 'reread-first'],
    ['refuses when they could not be read in time', new History().found(0, []), 'reread', 'starting'],
    ['decides before the first List', new History().found(0, []).reread(0.1, []), 'may-reread', 'GPU-a 3072'],
    [
      'refuses with a checkpoint that cannot be read',
      History.settled().round(1, 'unreadable'),
      'reread',
      'unreadable-checkpoint',
    ],
    ['tries to read it once more', History.settled().round(1, 'unreadable'), 'may-reread', 'reread-first'],
    [
      'refuses beside a foreign entry',
      History.settled(bookedDevice('f', 'GPU-x')),
      'reread',
      'foreign-allocation',
    ],
    ['looks whether it is gone', History.settled(bookedDevice('f', 'GPU-x')), 'may-reread', 'reread-first'],
    ['refuses while units of another size are held', History.settled(old), 'reread', 'other-unit'],
  ])('%s', (_, history, books, expected) => {
    expect(place(history, fresh, books)).toBe(expected);
  });
});

describe('what the author of a pod reads', () => {
  const refused = (history: History, ids: readonly string[], changes: Partial<MemoryOffer> = {}): string =>
    messageOf(placeMemory({ ids, books: 'reread' }, offerOf(history, changes)));

  it.each<[string, string, string]>([
    [
      'more than a GPU has',
      refused(History.settled(), units(0, 25)),
      'nvidia.com/gpu-memory: 25 asked, but all units of a container lie on one GPU, and the largest GPU of this node has 10 (one unit is 1024 MiB; at most 10 for one container). Ask for at most 10, or for nvidia.com/gpu: 3 to have GPUs alone.',
    ],
    [
      'more than the cap',
      refused(History.settled(), units(0, 5), { maxPerContainer: 4 }),
      'nvidia.com/gpu-memory: 5 asked, but one container may have at most 4 here (memory.maxPerContainer; one unit is 1024 MiB). Ask for fewer, or for nvidia.com/gpu: 1 to have a GPU alone.',
    ],
    [
      'no hole',
      refused(History.settled(a6, b4, whole('c')), units(20, 7)),
      'nvidia.com/gpu-memory: 7 asked, but all units of a container lie on one GPU, and the largest hole on the 3 GPUs of this node is 6 of 10 free units (1024 MiB each, at most 10 for one container; GPUs: 1 held whole). Delete the pod, so that it is placed anew.',
    ],
    [
      'no hole for all of a GPU',
      refused(History.settled(a6, b4), units(20, 10), { faults: new Map([['GPU-c', 'XID 79']]) }),
      'nvidia.com/gpu-memory: 10 asked, but all units of a container lie on one GPU, and the largest hole on the 3 GPUs of this node is 6 of 10 free units (1024 MiB each, at most 10 for one container; GPUs: 1 unhealthy). Delete the pod, so that it is placed anew. A container that needs all of a GPU asks for nvidia.com/gpu: 1 instead.',
    ],
    [
      'a foreign entry',
      refused(History.settled(bookedDevice('f', 'GPU-x')), fresh),
      'nvidia.com/gpu-memory: 3 asked, but a container on this node (pod f, container app) holds nvidia.com/gpu that were not given by this agent; memory is offered again when it has ended. Delete the pod, so that it is placed anew.',
    ],
  ])('says of %s', (_, message, expected) => {
    expect(message).toBe(expected);
  });
});
