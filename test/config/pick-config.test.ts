import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ConfigPick, pickConfig, type PickInputs } from '../../src/config/pick-config.ts';
import { readPicked } from '../../src/config/read-picked.ts';

const plain: PickInputs = { label: null, defaultConfig: null, fallbacks: [], names: ['a', 'b'] };

/** What was picked, on one line. */
function told(pick: ConfigPick): string {
  if (pick.kind === 'problem') return pick.message;
  return pick.kind === 'file' ? `${pick.name} by ${pick.why}` : 'no file';
}

describe('which config is picked', () => {
  const cases: readonly (readonly [string, Partial<PickInputs>, string])[] = [
    ['the one that the label names', { label: 'a' }, 'a by label'],
    ['the label before the default', { label: 'a', defaultConfig: 'b' }, 'a by label'],
    ['without label the default', { defaultConfig: 'b' }, 'b by default'],
    ['the default before the fallbacks', { defaultConfig: 'b', fallbacks: ['empty'] }, 'b by default'],
    ['named', { fallbacks: ['named'], names: ['default', 'b'] }, 'default by named'],
    ['single', { fallbacks: ['single'], names: ['x'] }, 'x by single'],
    [
      'named, then single: there is one of that name',
      { fallbacks: ['named', 'single'], names: ['default'] },
      'default by named',
    ],
    [
      'single, then named: there is one of that name',
      { fallbacks: ['single', 'named'], names: ['default'] },
      'default by single',
    ],
    [
      'named, then single: there is another one',
      { fallbacks: ['named', 'single'], names: ['x'] },
      'x by single',
    ],
    [
      'single, then named: there are two',
      { fallbacks: ['single', 'named'], names: ['a', 'default'] },
      'default by named',
    ],
    ['empty at last', { fallbacks: ['named', 'single', 'empty'] }, 'no file'],
    ['empty before all others', { fallbacks: ['empty', 'single'], names: ['x'] }, 'no file'],
    [
      'a label that names nothing is no call for the default',
      { label: 'x', defaultConfig: 'b', fallbacks: ['empty'] },
      "the node's label names 'x', and there is no such config; there are: 'a', 'b'",
    ],
    [
      'a default that is not there is no call for the fallbacks',
      { defaultConfig: 'x', fallbacks: ['empty'] },
      "the default config (--default-config, DEFAULT_CONFIG) names 'x', and there is no such config; there are: 'a', 'b'",
    ],
    [
      'a way out of the folder is a name like any other',
      { label: '../a' },
      "the node's label names '../a', and there is no such config; there are: 'a', 'b'",
    ],
    [
      'two for single',
      { fallbacks: ['single'] },
      "the node's label names no config, there is no default one (--default-config, DEFAULT_CONFIG), and of the fallbacks (single) none finds one; there are: 'a', 'b'",
    ],
    [
      'none at all for single',
      { fallbacks: ['single'], names: [] },
      "the node's label names no config, there is no default one (--default-config, DEFAULT_CONFIG), and of the fallbacks (single) none finds one; there is none at all",
    ],
    [
      'nothing to go by',
      {},
      "the node's label names no config, there is no default one (--default-config, DEFAULT_CONFIG); there are: 'a', 'b'",
    ],
  ];
  test.each(cases)('%s', (_title, given, expected) => {
    expect(told(pickConfig({ ...plain, ...given }))).toBe(expected);
  });

  test('of very many names some are told', () => {
    const names = Array.from({ length: 500 }, (_, index) => `config-${index}`);
    const text = told(pickConfig({ ...plain, label: 'x', names }));
    expect(text).toMatch(/'config-19' and 480 more$/);
  });
});

describe('what counts as a config of the folder', () => {
  async function folderOf(make: (folder: string) => Promise<void>): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'sw-pick-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await make(folder);
    return folder;
  }
  const single = { label: null, defaultConfig: null, fallbacks: ['single'] } as const;

  test('files, behind links too; no folders, no dead links and no hidden files', async () => {
    const folder = await folderOf(async (root) => {
      await mkdir(join(root, '..2026'));
      await writeFile(join(root, '..2026/a'), 'version: v1');
      await symlink('..2026', join(root, '..data'));
      await symlink('..data/a', join(root, 'a'));
      await symlink('..data/gone', join(root, 'gone'));
      await mkdir(join(root, 'folder'));
      await writeFile(join(root, '.a.swp'), 'x');
    });
    expect(await readPicked(folder, single)).toEqual({
      picked: { kind: 'file', name: 'a', why: 'single' },
      path: join(folder, 'a'),
      text: 'version: v1',
    });
  });

  test.each(['../secret', '..', '.', '..2026/a', '/etc/passwd', 'folder', '.a.swp', ''])(
    'a label that says %j leads nowhere',
    async (label) => {
      const folder = await folderOf(async (root) => {
        await mkdir(join(root, 'in/folder'), { recursive: true });
        await mkdir(join(root, 'in/..2026'));
        await writeFile(join(root, 'in/..2026/a'), 'x');
        await writeFile(join(root, 'in/.a.swp'), 'x');
        await writeFile(join(root, 'secret'), 'x');
      });
      await expect(readPicked(join(folder, 'in'), { ...single, label })).rejects.toThrow(
        'there is no such config',
      );
    },
  );

  test('a folder that is not there', async () => {
    await expect(readPicked('/nowhere/configs', single)).rejects.toThrow(
      'cannot read the folder of configs /nowhere/configs: ENOENT',
    );
  });
});
