import { describe, expect, it } from 'vitest';
import { Books, type MemoryTerms, type ServedKubelet } from '../../../src/app/books/books.ts';
import { mayList } from '../../../src/allocation/holdings/due.ts';
import type { BookedDevices, ListedDevices, Reading } from '../../../src/allocation/holdings/events.ts';
import type { KeptEntry, KeptHoldings } from '../../../src/allocation/holdings/kept-holdings.ts';
import { encodeRecord, recordAnnotation } from '../../../src/allocation/record.ts';
import type { ContainerResponse } from '../../../src/allocation/response.ts';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const gpus = ['GPU-0', 'GPU-1'];

/** Two GPUs of 8 units each, or none that has any. */
function terms(unitsPerGpu: number): MemoryTerms {
  const offered = unitsPerGpu === 0 ? [] : gpus;
  return {
    plan: {
      kind: 'planned',
      unitMiB: 1024,
      gpus: offered.map((uuid, index) => ({
        uuid,
        index,
        units: unitsPerGpu,
        restMiB: 0,
        totalMiB: unitsPerGpu * 1024,
      })),
      units: offered.length * unitsPerGpu,
      leftOut: [],
      memoryOnly: new Set(),
      unknownDevices: [],
    },
    node: { memoryResource, known: new Set(gpus), gpuOfMig: new Map() },
    faults: new Map(),
    maxPerContainer: null,
    fit: 'guaranteed',
    releaseDelayMs: 0,
  };
}

function wholeAnswer(uuid: string): ContainerResponse {
  const record = encodeRecord({ version: 1, gpus: [{ uuid, mib: 8192 }] });
  return { envs: {}, mounts: [], devices: [], annotations: { [recordAnnotation]: record }, cdiDevices: [] };
}

function bookedWhole(uuid: string): BookedDevices {
  const record = wholeAnswer(uuid).annotations[recordAnnotation] ?? null;
  return { podUid: 'uid', container: 'main', resource: 'nvidia.com/gpu', deviceIds: [uuid], record };
}

function listedWhole(uuid: string): ListedDevices {
  return {
    namespace: 'ns',
    pod: 'p',
    container: 'main',
    resourceName: 'nvidia.com/gpu',
    deviceIds: [uuid],
  };
}

const kept: KeptEntry = { ...bookedWhole('GPU-0'), owner: null, shown: null };

/** Books of a node whose kubelet has written down what the test says. */
async function openBooks(before: MemoryTerms, found: readonly BookedDevices[] = []) {
  const clock = new ManualClock();
  const books = new Books(clock);
  let checkpoint: Reading = found;
  let recalled: KeptHoldings | null = null;
  const span = () => ({ startedMs: clock.now(), atMs: clock.now() });
  const kubelet: ServedKubelet = {
    look: () => ({ identity: 'kubelet', sinceMs: clock.now() }),
    recall: () => Promise.resolve(recalled),
    read: () => Promise.resolve(checkpoint),
    reread: () => {
      books.apply({ kind: 'checkpoint-reread', ...span(), checkpoint, before: null });
      return Promise.resolve();
    },
  };
  books.setTerms(before);
  await books.begin(kubelet);
  return {
    books,
    clock,
    /** Begins anew with what an earlier run has kept. */
    async restart(holdings: KeptHoldings) {
      recalled = holdings;
      await books.begin(kubelet);
    },
    write: (entries: Reading) => (checkpoint = entries),
    round() {
      books.apply({ kind: 'round', ...span(), containers: [], checkpoint });
      books.trust();
    },
    /** As an offer does: decides, reads anew where it has to, and decides again. */
    async askMemory(...ids: readonly string[]) {
      const first = books.placeMemory({ ids, books: 'may-reread' });
      if (first.kind !== 'reread-first') return first;
      await books.rereadForMemory(ids);
      return books.placeMemory({ ids, books: 'reread' });
    },
  };
}

describe('the books of a node', () => {
  it('are read from the record before each decision until nobody else can answer', async () => {
    const node = await openBooks(terms(8));
    expect(node.books.placeMemory({ ids: ['m0'], books: 'may-reread' })).toEqual({ kind: 'reread-first' });
    expect(await node.askMemory('m0')).toMatchObject({ kind: 'granted', gpu: { uuid: 'GPU-0' } });
    node.round();
    expect(node.books.placeMemory({ ids: ['m1'], books: 'may-reread' })).toMatchObject({ kind: 'granted' });
    node.books.distrust(() => Promise.resolve());
    expect(node.books.placeMemory({ ids: ['m2'], books: 'may-reread' })).toEqual({ kind: 'reread-first' });
  });

  it('take it that the agent before has just answered the kubelet, which is not listed within 100 ms of that', async () => {
    const { books, clock } = await openBooks(terms(8));
    expect(mayList(books.calls.now, clock.now())).toBe(false);
    await clock.advance(99);
    expect(mayList(books.calls.now, clock.now())).toBe(false);
    await clock.advance(1);
    expect(mayList(books.calls.now, clock.now())).toBe(true);
  });

  it('let the kubelet give a GPU anew while another agent may serve it, and never what holds memory', async () => {
    const node = await openBooks(terms(8), [bookedWhole('GPU-0')]);
    node.round();
    node.books.apply({ kind: 'listed', atMs: 0, containers: [listedWhole('GPU-0')] });
    const ask = (id: string): unknown =>
      node.books.placeWhole('nvidia.com/gpu', { ids: [id], books: 'reread' }).kind;
    await node.askMemory('m0');
    expect([ask('GPU-0'), ask('GPU-1')]).toEqual(['refused', 'refused']);
    node.books.distrust(() => Promise.resolve());
    expect([ask('GPU-0'), ask('GPU-1')]).toEqual(['free', 'refused']);
    node.books.setTerms({ ...terms(8), releaseDelayMs: 1 });
    expect(ask('GPU-0')).toBe('refused');
    node.books.setTerms(terms(8));
    await node.restart({ kubelet: null, orphans: [], booked: [] });
    node.round();
    node.books.apply({ kind: 'listed', atMs: 0, containers: [listedWhole('GPU-0')] });
    expect(ask('GPU-0')).toBe('refused');
  });

  it('are not asked where no memory is offered or held', async () => {
    const { books } = await openBooks(terms(0));
    expect(books.areNeeded).toBe(false);
    expect(books.placeWhole('nvidia.com/gpu', { ids: ['GPU-0'], books: 'may-reread' })).toEqual({
      kind: 'free',
      claim: null,
    });
  });

  it('know what was given while no memory was offered, once it is', async () => {
    const node = await openBooks(terms(0));
    node.books.bookWhole('nvidia.com/gpu', ['GPU-0'], null, wholeAnswer('GPU-0'));
    node.write([bookedWhole('GPU-0')]);
    node.books.setTerms(terms(8));
    await settle();
    expect(node.books.areNeeded).toBe(true);
    expect(await node.askMemory('m0')).toMatchObject({ kind: 'granted', gpu: { uuid: 'GPU-1' } });
  });

  it('know it too when memory is switched off and on again', async () => {
    const node = await openBooks(terms(8));
    node.round();
    node.books.setTerms(terms(0));
    node.books.bookWhole('nvidia.com/gpu', ['GPU-0'], null, wholeAnswer('GPU-0'));
    node.write([bookedWhole('GPU-0')]);
    node.books.setTerms(terms(8));
    await settle();
    expect(await node.askMemory('m0')).toMatchObject({ kind: 'granted', gpu: { uuid: 'GPU-1' } });
  });

  it('do not call lost what was not followed, and do not forget what was lost', async () => {
    const node = await openBooks(terms(8), [bookedWhole('GPU-0')]);
    const heard: string[] = [];
    node.books.onOrphans((news) => heard.push(...news.map(({ kind }) => kind)));
    const appear = (kubelet: string): void =>
      node.books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet, checkpoint: 'absent' });
    appear('second');
    node.books.setTerms(terms(0));
    expect(node.books.kept).toMatchObject({ orphans: { length: 1 }, booked: [] });
    node.books.bookWhole('nvidia.com/gpu', ['GPU-1'], null, wholeAnswer('GPU-1'));
    appear('third');
    node.write([]);
    node.books.setTerms(terms(8));
    await settle();
    // Once when it was lost, and again when it counts again.
    expect(heard).toEqual(['appeared', 'appeared']);
    expect(node.books.holdings.entries.map(({ ids, afterlife }) => [...ids, afterlife?.kind])).toEqual([
      ['GPU-0', 'orphan'],
    ]);
    expect(await node.askMemory('m0')).toMatchObject({ kind: 'granted', gpu: { uuid: 'GPU-1' } });
  });

  it('hear of what was lost before memory was offered only when it is', async () => {
    const node = await openBooks(terms(0), []);
    const heard: string[] = [];
    node.books.onOrphans((news) => heard.push(...news.map(({ kind }) => kind)));
    await node.restart({ kubelet: null, orphans: [{ ...kept, gpus: ['GPU-0'] }], booked: [] });
    expect(heard).toEqual([]);
    node.books.setTerms(terms(8));
    expect(heard).toEqual(['appeared']);
  });

  it('give a GPU in one way only', async () => {
    const node = await openBooks(terms(8));
    node.round();
    expect(await node.askMemory('m0')).toMatchObject({ kind: 'granted', gpu: { uuid: 'GPU-0' } });
    expect(node.books.placeWhole('nvidia.com/gpu', { ids: ['GPU-0'], books: 'reread' })).toMatchObject({
      kind: 'refused',
      reason: 'memory-held',
    });
    expect(node.books.placeWhole('nvidia.com/gpu', { ids: ['GPU-1'], books: 'reread' }).kind).toBe('free');
  });
});
