import { describe, expect, it } from 'vitest';
import { orphanNews } from '../../../src/allocation/holdings/orphan-news.ts';
import { bookedUnits, History, units } from './history.ts';

const app = bookedUnits('p', units(0, 10), 'GPU-a');

describe('news of orphans', () => {
  const before = History.settled(app).holdings;
  const orphaned = History.settled(app).kubelet(100, 'absent').holdings;
  const free = { ...orphaned, entries: [] };
  it.each<[string, Parameters<typeof orphanNews>, readonly string[]]>([
    ['none', [before, before, 'round'], []],
    ['one', [before, orphaned, 'kubelet-appeared'], ['appeared']],
    ['the same', [orphaned, orphaned, 'round'], []],
    ['unused memory', [orphaned, free, 'memory-used'], ['unused']],
    ["an admin's word", [orphaned, free, 'acknowledged'], ['acknowledged']],
    ['found again', [orphaned, before, 'round'], ['found']],
  ])('%s', (_, args, expected) => {
    expect(orphanNews(...args).map((news) => (news.kind === 'ended' ? news.why : news.kind))).toEqual(
      expected,
    );
  });
});
