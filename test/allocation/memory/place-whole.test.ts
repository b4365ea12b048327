import { describe, expect, it } from 'vitest';
import { placeWhole, type WholeRequest } from '../../../src/allocation/memory/place-whole.ts';
import { encodeRecord } from '../../../src/allocation/record.ts';
import { gpuResource } from '../../../src/resources/resource-name.ts';
import { bookedDevice, bookedUnits, History, node, record } from '../holdings/history.ts';

const memoryGpus = new Set(['GPU-a', 'GPU-b']);
const own = (pod: string, id: string) => bookedDevice(pod, id, encodeRecord(record('GPU-a')));

function place(
  history: History,
  ids: readonly string[],
  books: WholeRequest['books'] = 'reread',
  mayBeStale = false,
): string {
  const decision = placeWhole(
    { ids, books, resource: gpuResource },
    { holdings: history.holdings, node, memoryGpus, mayBeStale },
  );
  return decision.kind === 'refused' ? decision.reason : decision.kind;
}

const shown = (entry: ReturnType<typeof own>): History =>
  History.settled(entry).listed(1, [
    { namespace: 'ns', pod: 'p', container: 'app', resourceName: gpuResource, deviceIds: entry.deviceIds },
  ]);
const withUnit = History.settled(bookedUnits('p', ['m0'], 'GPU-a'));

describe('placeWhole', () => {
  it.each<[string, History, readonly string[], WholeRequest['books'], string]>([
    ['a GPU that nobody holds', withUnit, ['GPU-b'], 'may-reread', 'free'],
    [
      'a GPU with one unit of memory: a look at the books first',
      withUnit,
      ['GPU-a'],
      'may-reread',
      'reread-first',
    ],
    ['a GPU with one unit of memory', withUnit, ['GPU-a'], 'reread', 'memory-held'],
    ['one of two GPUs with a unit of memory', withUnit, ['GPU-b', 'GPU-a'], 'reread', 'memory-held'],
    ['a replica on a GPU with a unit of memory', withUnit, ['GPU-a::0'], 'reread', 'memory-held'],
    [
      'an orphan of memory',
      History.settled(bookedUnits('p', ['m0'], 'GPU-a')).kubelet(9, []),
      ['GPU-a'],
      'reread',
      'memory-held',
    ],
    [
      'what an init container of this pod holds',
      History.settled(own('p', 'GPU-a')),
      ['GPU-a'],
      'may-reread',
      'free',
    ],
    [
      'what a List has shown: a look at the books first',
      shown(own('p', 'GPU-a')),
      ['GPU-a'],
      'may-reread',
      'reread-first',
    ],
    [
      'what a List has shown and is still there',
      shown(own('p', 'GPU-a')),
      ['GPU-a'],
      'reread',
      'device-held',
    ],
    ['what is gone by then', shown(own('p', 'GPU-a')).reread(9, []), ['GPU-a'], 'reread', 'free'],
    [
      'a GPU of which another plugin has given a replica',
      History.settled(bookedDevice('p', 'GPU-a::1')),
      ['GPU-a'],
      'reread',
      'device-held',
    ],
    [
      'a replica beside another replica',
      History.settled(bookedDevice('p', 'GPU-a::1')),
      ['GPU-a::0'],
      'reread',
      'free',
    ],
    [
      'a replica of a GPU that is held whole',
      History.settled(own('p', 'GPU-a')),
      ['GPU-a::0'],
      'reread',
      'device-held',
    ],
    [
      'the same GPU by the name of another resource',
      History.settled(bookedDevice('p', 'GPU-a', null, 'nvidia.com/a100')),
      ['GPU-a'],
      'reread',
      'device-held',
    ],
    [
      'a GPU that memory could sit on, before the books are known',
      new History().found(0, []),
      ['GPU-a'],
      'reread',
      'books-unknown',
    ],
    [
      'a GPU that it could not, before the books are known',
      new History().found(0, []),
      ['GPU-c'],
      'may-reread',
      'free',
    ],
    [
      'a GPU that memory could sit on, with books that broke later',
      History.settled().round(9, 'unreadable'),
      ['GPU-a'],
      'reread',
      'free',
    ],
    ['ids that name no GPU are for others to judge', History.settled(), ['nonsense'], 'may-reread', 'free'],
  ])('%s', (_, history, ids, books, expected) => {
    expect(place(history, ids, books)).toBe(expected);
  });

  it.each<[string, History, string]>([
    ['what a List has shown: the kubelet knows that it has ended', shown(own('p', 'GPU-a')), 'free'],
    ['a GPU with one unit of memory', withUnit, 'memory-held'],
    [
      'the same GPU by the name of another resource',
      History.settled(bookedDevice('p', 'GPU-a', null, 'nvidia.com/a100')),
      'device-held',
    ],
    [
      'another id of the GPU: the kubelet does not know that it is the same',
      shown(own('p', 'GPU-a::1')),
      'device-held',
    ],
    [
      'what is kept booked for a while after its end',
      new History(-3600, 9000).found(0, [own('p', 'GPU-a')]).round(6, []),
      'device-held',
    ],
    ['an orphan: the kubelet knows nothing of it', shown(own('p', 'GPU-a')).kubelet(9, []), 'device-held'],
  ])('where the record may be stale, %s', (_, history, expected) => {
    expect(place(history, ['GPU-a'], 'reread', true)).toBe(expected);
  });

  it('says who is in the way', () => {
    const refused = (history: History): unknown =>
      placeWhole(
        { ids: ['GPU-a'], books: 'reread', resource: gpuResource },
        { holdings: history.holdings, node, memoryGpus, mayBeStale: false },
      );
    expect(refused(withUnit)).toMatchObject({
      message:
        'nvidia.com/gpu: 1 asked, but of the memory of GPU-a 1 unit is held, and a GPU is given whole or by memory. Delete the pod, so that it is placed on another GPU.',
    });
    expect(refused(shown(own('p', 'GPU-a')))).toMatchObject({
      message:
        'nvidia.com/gpu: 1 asked, but GPU-a is held by container app of pod ns/p. Delete the pod, so that it is placed on another GPU.',
    });
  });
});
