import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { preferDevices } from '../../src/allocation/preferred.ts';

const order = ['a', 'b', 'c', 'd'];

describe('preferDevices', () => {
  it.each([
    ['lowest index first', { availableIds: ['d', 'b', 'c'], requiredIds: [], size: 2 }, ['b', 'c']],
    ['required ids first', { availableIds: ['a', 'b', 'c', 'd'], requiredIds: ['d'], size: 2 }, ['d', 'a']],
    ['what there is, when more is asked', { availableIds: ['b'], requiredIds: [], size: 3 }, ['b']],
    ['unknown ids last', { availableIds: ['zz', 'd'], requiredIds: [], size: 2 }, ['d', 'zz']],
    ['each id once', { availableIds: ['b', 'b', 'a'], requiredIds: ['b', 'b'], size: 3 }, ['b', 'a']],
    ['nothing for a size of 0', { availableIds: ['a'], requiredIds: [], size: 0 }, []],
    ['nothing for a negative size', { availableIds: ['a'], requiredIds: [], size: -1 }, []],
  ])('proposes %s', (_, request, expected) => {
    expect(preferDevices(request, order)).toEqual(expected);
  });

  it('answers any request with available or required ids, no duplicates, no more than asked', () => {
    const ids = fc.array(fc.string({ maxLength: 2 }));
    fc.assert(
      fc.property(ids, ids, fc.integer({ min: -3, max: 20 }), (availableIds, requiredIds, size) => {
        const answer = preferDevices({ availableIds, requiredIds, size }, order);
        expect(new Set(answer).size).toBe(answer.length);
        expect(answer.length).toBeLessThanOrEqual(Math.max(0, size));
        expect([...availableIds, ...requiredIds]).toEqual(expect.arrayContaining([...answer]));
      }),
    );
  });
});
