import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { configurationPage, renderConfigurationPage } from '../../scripts/docs.ts';
import { settingRows } from '../../src/config/settings.ts';
import { loadConfig } from '../../src/config/load.ts';
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

test('the configs on the page about a config for each node are good, for one node', async () => {
  const text = await readFile(new URL('../../docs/config-per-node.md', import.meta.url), 'utf8');
  const { data } = parse(/```yaml\n([^`]+)```/.exec(text)?.[1] ?? '') as {
    data: Readonly<Record<string, string>>;
  };
  expect(Object.keys(data)).toEqual(['default', 'mig', 'shared']);
  for (const [path, content] of Object.entries(data)) {
    const file = { path, text: content, isOfThisNode: true };
    expect(await loadConfig({ flags: {}, env: {}, file })).toMatchObject({ kind: 'ok', notes: [] });
  }
});
