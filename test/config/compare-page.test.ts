import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeMissing, flagNames } from '../../src/config/setting.ts';
import { isNvidiaFileKey, type SettingKey, settingRows, settings } from '../../src/config/settings.ts';

interface Row {
  readonly line: number;
  /** What stands in backticks in all cells but the last. */
  readonly names: readonly string[];
  readonly here: string;
  /** True in a table whose columns are flags, variables and keys. */
  readonly isOfNames: boolean;
  /** Written for a version that has the feature already; to be read again when it comes. */
  readonly isAhead: boolean;
}

/** The rows of all tables that say in their last column what this plugin does. */
function readRows(text: string): readonly Row[] {
  let columns: readonly string[] = [];
  return text.split('\n').flatMap((line, index) => {
    if (!line.startsWith('|')) {
      columns = [];
      return [];
    }
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (columns.length === 0) {
      columns = cells;
      return [];
    }
    if (columns.at(-1) !== 'Here' || cells.every((cell) => /^-+$/.test(cell))) return [];
    const names = [
      ...cells
        .slice(0, -1)
        .join(' ')
        .matchAll(/`([^`]+)`/g),
    ].map(([, name = '']) => name);
    const here = cells.at(-1) ?? '';
    const isOfNames = columns.slice(0, -1).every((column) => nameColumns.has(column));
    return [{ line: index + 1, names, here, isOfNames, isAhead: here.includes('<!-- recheck') }];
  });
}

const nameColumns = new Set(['Flag', 'Variable', 'Key in the file']);
const rows = readRows(readFileSync(new URL('../../docs/compare.md', import.meta.url), 'utf8'));

/** All names of a setting, as the page writes them. */
function namesOf(key: SettingKey): readonly string[] {
  const { env, inFile } = settings[key];
  return [...flagNames(settings[key]).map((flag) => `--${flag}`), ...env, ...(inFile ? [key] : [])];
}

const ours = new Map(settingRows.flatMap(([key]) => namesOf(key).map((name) => [name, key] as const)));

test('the page has tables', () => {
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.filter(({ isOfNames }) => isOfNames).length).toBeGreaterThan(30);
});

test.each(rows)('line $line says same, better, not yet or left out', ({ here }) => {
  expect(here).toMatch(/^_(?:same|better|not yet|left out)_/);
});

describe('every flag, variable and key of the page is one of the config, or not in this version yet', () => {
  test.each(rows.filter(({ isOfNames }) => isOfNames))('line $line: $names', ({ names, here }) => {
    expect(names).not.toEqual([]);
    const unknown = names.filter((name) => !ours.has(name));
    expect(here === '_not yet_' || here.startsWith('_left out_') ? [] : unknown).toEqual([]);
  });
});

describe('every setting of NVIDIA is on the page by all its names', () => {
  const keys = settingRows.map(([key]) => key);
  const nvidia = keys.filter((key) => settings[key].group === 'nvidia' || isNvidiaFileKey(key));
  test.each([...nvidia, '--config-file', 'flags.agent.kubeletSocket'] as const)('%s', (key) => {
    const onPage = new Set(rows.flatMap(({ names }) => names));
    const missing = namesOf(key).filter((name) => !onPage.has(name) && !name.startsWith('flags.agent.'));
    expect(missing).toEqual([]);
  });
});

describe('the page says of no setting more, or less, than this version has', () => {
  const stated = rows.flatMap((row) =>
    [...new Set(row.names.flatMap((name) => ours.get(name) ?? []))].map((key) => ({ ...row, key })),
  );
  test.each(stated)('line $line, $key', ({ key, here, isAhead }) => {
    const lacks = describeMissing(settings[key]) !== '';
    // A mark that is out of date: read the row again, and take the mark away.
    expect({ isAhead: isAhead && lacks, lacks }).toEqual({
      isAhead,
      lacks: isAhead || /_(?:not yet|left out)_/.test(here),
    });
  });
});
