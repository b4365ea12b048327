import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { preparePreferred } from '../../../src/allocation/preferred/preferred.ts';
import { scoreMatrix } from '../../../src/allocation/preferred/topology.ts';
import { dgx1Volta } from '../linked-nodes.ts';

/** A list of each kind, and how the ids of one look. */
const lists = {
  'whole GPUs': dgx1Volta.map(({ uuid }) => ({ id: uuid, gpuUuid: uuid })),
  replicas: dgx1Volta.flatMap(({ uuid }) => [0, 1, 2].map((n) => ({ id: `${uuid}::${n}`, gpuUuid: uuid }))),
  'MIG instances': dgx1Volta.flatMap(({ uuid }) =>
    [0, 1].map((n) => ({ id: `MIG-${uuid}-${n}`, gpuUuid: uuid })),
  ),
  'a bit of everything': [
    { id: 'GPU-00', gpuUuid: 'GPU-00' },
    { id: 'GPU-00::1', gpuUuid: 'GPU-00' },
    { id: '::', gpuUuid: '' },
    { id: '', gpuUuid: 'GPU-01' },
    { id: 'GPU-00', gpuUuid: 'GPU-01' },
  ],
  nothing: [],
};

describe.each(Object.entries(lists))('preparePreferred for %s', (_, devices) => {
  const policies = ['distributed', 'packed', 'spread'] as const;
  const [first = 'x', second = 'y', third = 'z'] = devices.map(({ id }) => id);
  const id = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(first, second, third, ...devices.map((each) => each.id)) },
    fc.string({ maxLength: 3 }),
  );
  const ids = fc.array(id, { maxLength: 30 });
  const size = fc.oneof(
    fc.integer({ min: -3, max: 40 }),
    fc.double(),
    fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e300),
  );

  it('answers any request with as many ids as there are, required ones first', () => {
    fc.assert(
      fc.property(
        ids,
        ids,
        size,
        fc.constantFrom(...policies),
        (availableIds, requiredIds, asked, policy) => {
          const prefer = preparePreferred(devices, { links: scoreMatrix(dgx1Volta), policy });
          const answer = prefer({ availableIds, requiredIds, size: asked });
          const required = new Set(requiredIds);
          const offered = new Set([...required, ...availableIds]);
          expect(answer).toHaveLength(Math.min(offered.size, Math.max(0, Math.trunc(asked) || 0)));
          expect(new Set(answer).size).toBe(answer.length);
          expect(offered).toEqual(offered.union(new Set(answer)));
          const given = answer.slice(0, required.size);
          expect(required).toEqual(required.union(new Set(given)));
          expect(prefer({ availableIds, requiredIds, size: asked })).toEqual(answer);
        },
      ),
    );
  });

  it('gives what is listed before what is not', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(devices.map((each) => each.id)), fc.nat(10), (known, asked) => {
        const unknown = ['GPU-gone', 'MIG-gone'];
        const prefer = preparePreferred(devices, { links: scoreMatrix(dgx1Volta), policy: 'packed' });
        const answer = prefer({ availableIds: [...unknown, ...known], requiredIds: [], size: asked });
        const listed = new Set(known);
        expect(answer.slice(0, listed.size).every((each) => listed.has(each))).toBe(true);
        expect(answer.slice(listed.size)).toEqual(unknown.slice(0, Math.max(0, asked - listed.size)));
      }),
    );
  });
});
