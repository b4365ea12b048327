import { describe, expect, test } from 'vitest';
import { findOverbooked, type Share } from '../cluster/support/shares.ts';

const offeredMiB = 28 * 1024;
const share = (pod: string, memoryMiB: number | null, ...gpus: string[]): Share => ({
  pod,
  container: 'main',
  gpus,
  memoryMiB,
});

describe('GPUs that are given beyond what they have', () => {
  test.each<[string, readonly Share[], readonly string[]]>([
    ['none', [], []],
    ['a full GPU', [share('a', 20 * 1024, 'G1'), share('b', 8 * 1024, 'G1')], []],
    ['whole GPUs beside a shared one', [share('a', null, 'G1', 'G2'), share('b', 1024, 'G3')], []],
    [
      'one GiB too much',
      [share('a', 20 * 1024, 'G1'), share('b', 9 * 1024, 'G1'), share('c', 9 * 1024, 'G2')],
      ['G1 is in a/main: 20480, b/main: 9216'],
    ],
    [
      'whole and in parts',
      [share('a', null, 'G1', 'G2'), share('b', 1024, 'G2')],
      ['G2 is in a/main: whole, b/main: 1024'],
    ],
    [
      'twice whole',
      [share('a', null, 'G1'), share('b', null, 'G1')],
      ['G1 is in a/main: whole, b/main: whole'],
    ],
  ])('%s', (_title, shares, found) => {
    expect(findOverbooked(shares, offeredMiB)).toEqual(found);
  });
});
