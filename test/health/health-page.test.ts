import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { xidCatalogue } from '../../src/health/xid.ts';

const page = readFileSync(new URL('../../docs/health.md', import.meta.url), 'utf8');

it('has each code of the catalogue once, in its class', () => {
  const rows = [...page.matchAll(/^\| `([a-z-]+)` +\| [a-z ]+ \| ([0-9 -]+?) *\|/gm)];
  const onPage = rows.flatMap(([, xidClass = '', runs = '']) =>
    runs.split(' ').flatMap((run) => {
      const [first = 0, last = first] = run.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => `${first + at} ${xidClass}`);
    }),
  );
  expect(onPage.toSorted()).toEqual(
    [...xidCatalogue.values()].map((entry) => `${entry.code} ${entry.class}`).toSorted(),
  );
});
