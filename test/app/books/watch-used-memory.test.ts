import { describe, expect, it } from 'vitest';
import type { Node } from '../../../src/app/node.ts';
import { watchUsedMemory } from '../../../src/app/books/watch-used-memory.ts';
import { settle } from '../../support/manual-clock.ts';
import { booked, held, openKeptNode, read } from '../kept-node.ts';

const pod = booked('p', ['m0', 'm1']);

/** Plays readings: at so many seconds so much memory in use, with an error of the GPU if one is given. */
async function play(
  node: Node,
  readings: readonly (readonly [number, number | null, string?])[],
): Promise<void> {
  const end = new AbortController();
  const watching = watchUsedMemory(node, end.signal);
  await settle();
  for (const [seconds, usedMiB, error] of readings) {
    read(node, seconds * 1000, usedMiB, error ?? null);
    await settle();
  }
  end.abort();
  await watching;
}

describe('memory in use on the GPU of an orphan', () => {
  const orphan = ['p 0 orphan'];
  it.each<[string, readonly (readonly [number, number | null, string?])[], readonly string[]]>([
    [
      'falls',
      [
        [1, 5000],
        [5, 60],
        [16, 60],
      ],
      [],
    ],
    [
      'falls, seen often',
      [
        [1, 64],
        [5, 64],
        [9, 64],
        [11, 0],
      ],
      [],
    ],
    [
      'falls a moment ago',
      [
        [1, 5000],
        [5, 60],
        [14, 60],
      ],
      orphan,
    ],
    [
      'falls and rises',
      [
        [1, 60],
        [5, 65],
        [11, 60],
        [20, 60],
      ],
      orphan,
    ],
    [
      'falls, rises and falls',
      [
        [1, 60],
        [5, 65],
        [11, 60],
        [21, 60],
      ],
      [],
    ],
    [
      'stays',
      [
        [1, 5000],
        [12, 5000],
        [23, 5000],
      ],
      orphan,
    ],
    [
      'is not told',
      [
        [1, null],
        [12, null],
        [23, null],
      ],
      orphan,
    ],
    [
      'is told once',
      [
        [1, 0],
        [12, null],
        [23, null],
      ],
      orphan,
    ],
    [
      'is that of a GPU that is lost',
      [
        [1, 0, 'lost'],
        [12, 0, 'lost'],
      ],
      orphan,
    ],
    ['is never read', [], orphan],
  ])('%s', async (_, readings, expected) => {
    const { begin } = await openKeptNode();
    const node = await begin([pod]);
    node.books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet: 'second', checkpoint: 'absent' });
    expect(held(node)).toEqual(orphan);
    await play(node, readings);
    expect(held(node)).toEqual(expected);
  });

  it('is not judged by a reading from before', async () => {
    const { begin } = await openKeptNode();
    const node = await begin([pod]);
    read(node, 0, 0);
    node.books.apply({ kind: 'kubelet-appeared', atMs: 5000, kubelet: 'second', checkpoint: 'absent' });
    await play(node, [[11, 0]]);
    expect(held(node)).toEqual(['p 0 orphan']);
  });

  it('is nothing to those that are no orphans', async () => {
    const { begin } = await openKeptNode();
    const node = await begin([pod]);
    await play(node, [
      [1, 0],
      [12, 0],
      [23, 0],
    ]);
    expect(held(node)).toEqual(['p 0']);
  });
});
