import { expect, it, onTestFinished, vi } from 'vitest';
import { heedReleases } from '../../../src/app/books/heed-releases.ts';
import type { Node } from '../../../src/app/node.ts';
import { askRelease } from '../../../src/state/releases.ts';
import { booked, gpus, held, openKeptNode } from '../kept-node.ts';

const patience = { timeout: 45_000, interval: 5 };
const { uuid } = gpus[0];

/** An agent with an orphan, whose word is heard by a keeper that can keep nothing until the test says so. */
async function heedWithoutKeeping() {
  const on = await openKeptNode();
  const node = await on.begin([booked('p', ['m0', 'm1'])]);
  lose(node, 'second');
  const keeper = { saves: 0, canKeep: false };
  const end = new AbortController();
  const save = (): Promise<boolean> => {
    keeper.saves += 1;
    return Promise.resolve(keeper.canKeep);
  };
  const heeding = heedReleases(node, { save }, on.deps, end.signal).catch(() => undefined);
  onTestFinished(async () => {
    end.abort();
    await heeding;
  });
  const isWaiting = await askRelease(on.deps.stateDir, uuid, node.books.kept.orphans);
  const until = (isSo: () => boolean | Promise<boolean>): Promise<void> =>
    vi.waitFor(async () => {
      await on.clock.advance(1000);
      expect(await isSo()).toBe(true);
    }, patience);
  const warned = (): readonly string[] => on.said('warn').filter((text) => text.startsWith('nothing is'));
  return { node, keeper, isWaiting, until, warned };
}

function lose({ books }: Node, kubelet: string): void {
  books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet, checkpoint: 'absent' });
}

it("keeps an admin's word until what it has ended is written down", async () => {
  const { node, keeper, isWaiting, until, warned } = await heedWithoutKeeping();
  await until(() => keeper.saves >= 3);
  expect(held(node)).toEqual([]);
  expect(await isWaiting()).toBe(true);
  keeper.canKeep = true;
  await until(async () => !(await isWaiting()));
  expect(warned()).toEqual([]);
});

it('does not take such a word for one about what is lost later', async () => {
  const { node, keeper, isWaiting, until, warned } = await heedWithoutKeeping();
  await until(() => keeper.saves >= 1);
  const later = booked('later', ['m2']);
  node.books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet: 'third', checkpoint: [later] });
  lose(node, 'fourth');
  await until(async () => !(await isWaiting()));
  expect(held(node)).toEqual(['later 0 orphan']);
  expect(warned()).toHaveLength(1);
});
