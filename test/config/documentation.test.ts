import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { configurationPage, renderConfigurationPage } from '../../scripts/docs.ts';
import { settingRows } from '../../src/config/settings.ts';
import { loadGood } from './loading.ts';

const page = await readFile(configurationPage, 'utf8');

test('the committed page is current: else run node scripts/docs.ts', async () => {
  expect(await renderConfigurationPage()).toBe(page);
});

test('every flag, variable and file key is on the page', () => {
  const names = settingRows.flatMap(([key, { flag, aliases, env, inFile }]) => [
    ...(inFile ? [key] : []),
    ...(flag === null ? [] : [flag, ...aliases].map((name) => `--${name}`)),
    ...env,
  ]);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test('the example on the page is a good config file', async () => {
  const example = /```yaml\n([^`]+)```/.exec(page)?.[1] ?? '';
  const { config, notes } = await loadGood({ file: example });
  expect(config.imex.channelIDs).toEqual([0]);
  expect(notes).toEqual([]);
});
