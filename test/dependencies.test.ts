import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const page = readFileSync(new URL('../docs/decisions/001-dependencies.md', import.meta.url), 'utf8');

/** Package and version of every row of the page's tables. */
const rows = new Map(
  [...page.matchAll(/^\| `([^`]+)`\s*\| (\S+)/gm)].map(([, name = '', version = '']) => [name, version]),
);

test('the page on dependencies has a row for each one, with the version in use, and no other row', () => {
  expect(Object.fromEntries(rows)).toEqual({ ...manifest.dependencies, ...manifest.devDependencies });
});

test.each(Object.entries({ ...manifest.optionalDependencies, ...manifest.overrides }))(
  'the page tells why there is %s, at the version in use',
  (name, version) => {
    expect(page).toContain(`\`${name}\``);
    expect(page).toContain(version);
  },
);

test('every version is exact', () => {
  const versions = Object.values({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
    ...manifest.overrides,
  });
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});
