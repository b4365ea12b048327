import { expect, test } from 'vitest';
import { checkSpec } from '../../../src/allocation/cdi/cdi-rules.ts';
import { brokenSpecs, soundSpec } from '../cdi-specs.ts';

test('a sound spec breaks no rule', () => {
  expect(checkSpec(soundSpec)).toEqual([]);
});

test.each(brokenSpecs)('$name', ({ spec, says }) => {
  expect(checkSpec(spec)).toEqual([expect.stringContaining(says)]);
});
