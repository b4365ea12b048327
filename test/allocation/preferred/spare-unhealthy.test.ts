import { expect, test } from 'vitest';
import { spareUnhealthy } from '../../../src/allocation/preferred/spare-unhealthy.ts';

test.each<[string, string, string, number, string, string]>([
  ['all are well', 'a b c', '', 2, '', 'a b c'],
  ['one is not', 'a b c', '', 2, 'b', 'a c'],
  ['too few are', 'a b c', '', 3, 'b', 'a b c'],
  ['a required one is not', 'a b c', 'b', 2, 'b', 'a b c'],
  ['required ones count', 'a c', 'b', 2, 'c', 'a'],
  ['none is', 'a b', '', 1, 'a b', 'a b'],
  ['nothing is asked for', 'a b', '', 0, 'a', 'b'],
])(
  '%s: of %j, %j required, %i wanted, %j Unhealthy, %j are left',
  (_title, available, required, size, ill, left) => {
    const ids = (text: string): readonly string[] => text.split(' ').filter((id) => id !== '');
    const request = { availableIds: ids(available), requiredIds: ids(required), size };
    expect(spareUnhealthy(request, new Set(ids(ill)))).toEqual({ ...request, availableIds: ids(left) });
  },
);
