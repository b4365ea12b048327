import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

it('every one of the fifteen cases of Kubernetes has a test that is there under its name', async () => {
  const page = await readFile(join(root, 'test/cluster/README.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\d+)\.[^|]*\| `(\S+)` *\| (.+?) *\|$/gm)];
  const cases = Array.from({ length: 15 }, (_none, at) => at + 1);
  expect(new Set(rows.map(([, number]) => Number(number)))).toEqual(new Set(cases));
  for (const [, , file = '', name = ''] of rows)
    expect(await readFile(join(root, file), 'utf8')).toContain(name);
});
