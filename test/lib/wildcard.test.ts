import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesWildcard } from '../../src/lib/wildcard.ts';

test.each<[string, string, boolean]>([
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['Tesla T4', 'Tesla T4', true],
  ['Tesla T4', 'Tesla T40', false],
  ['Tesla T4', 'NVIDIA Tesla T4', false],
  ['*T4', 'Tesla T4', true],
  ['1g.*', '1c.1g.5gb', false],
  ['1g.5gb', '1gx5gb', false],
  ['a*a', 'a', false],
  ['a*b*a', 'aba', true],
  ['*a*b', 'ab', true],
  ['ab*ba', 'aba', false],
])('%j and %j', (pattern, text, fits) => {
  expect(matchesWildcard(pattern, text)).toBe(fits);
});

test('is what a regular expression would say', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
  fc.assert(
    fc.property(letters, letters, (pattern, given) => {
      const text = given.replaceAll('*', 'c');
      const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'));
      expect(matchesWildcard(pattern, text)).toBe(new RegExp(`^${parts.join('.*')}$`).test(text));
    }),
  );
});

test('a pattern that fits the text of another fits all that the other fits', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
  fc.assert(
    fc.property(
      letters,
      letters,
      fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 }),
      (wide, narrow, text) => {
        const fits = matchesWildcard(wide, narrow) && matchesWildcard(narrow, text);
        expect(!fits || matchesWildcard(wide, text)).toBe(true);
      },
    ),
    { numRuns: 2000 },
  );
});
