import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runOrphansCommand } from '../../src/cli/orphans.ts';
import { findStateFolder, type StateFolderOptions } from '../../src/cli/state-folder.ts';
import { runStatusCommand } from '../../src/cli/status.ts';
import { encodeState, writeState } from '../../src/state/state-file.ts';
import { shortFolder } from '../support/short-folder.ts';
import { fakeTerminal } from './fake-terminal.ts';

const preset = '/var/lib/slicewise';

/** What is found, and what is said, with config files of this content. */
async function find(
  options: StateFolderOptions,
  env: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
) {
  const base = await shortFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(base, name), text);
  const inBase = (text: string): string => text.replace('<base>', base);
  const { terminal, close } = fakeTerminal({
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, inBase(value)])),
  });
  const given = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, inBase(value)]));
  const found = await findStateFolder('status', given, terminal);
  return { found, said: (await close()).stderr.replaceAll(base, '<base>') };
}

const file = { 'c.yaml': 'flags: {agent: {stateDir: /file}}' };

describe('the state folder', () => {
  it.each<
    [string, StateFolderOptions, Readonly<Record<string, string>>, Readonly<Record<string, string>>, string]
  >([
    ['the default', {}, {}, {}, preset],
    [
      'the flag first',
      { stateDir: '/flag', configFile: '<base>/c.yaml' },
      { SLICEWISE_STATE_DIR: '/env' },
      file,
      '/flag',
    ],
    [
      'the variable before the file',
      { configFile: '<base>/c.yaml' },
      { SLICEWISE_STATE_DIR: '/env' },
      file,
      '/env',
    ],
    ['the file of the flag', { configFile: '<base>/c.yaml' }, { CONFIG_FILE: '/none' }, file, '/file'],
    ['the file of the variable', {}, { CONFIG_FILE: '<base>/c.yaml' }, file, '/file'],
    ['a file that does not say', {}, { CONFIG_FILE: '<base>/c.yaml' }, { 'c.yaml': 'version: v1' }, preset],
    [
      'a file that is wrong elsewhere',
      {},
      { CONFIG_FILE: '<base>/c.yaml' },
      { 'c.yaml': `bogus: 1\n${file['c.yaml']}` },
      '/file',
    ],
    ['no file where each node has its own', {}, { CONFIG_FILE_SRCDIR: '<base>' }, file, preset],
  ])('%s', async (_title, options, env, files, folder) => {
    expect(await find(options, env, files)).toEqual({ found: folder, said: '' });
  });

  it('a file that cannot be read is said, and passed by', async () => {
    const { found, said } = await find({}, { CONFIG_FILE: '/none' });
    expect(found).toBe(preset);
    expect(said).toContain('cannot read the config file /none: ENOENT');
    expect(said).toContain(`; looking in ${preset}`);
  });

  it('a wrong variable is said', async () => {
    const { found, said } = await find({}, { SLICEWISE_STATE_DIR: 'a\0b' });
    expect(found).toBeNull();
    expect(said).toContain('SLICEWISE_STATE_DIR');
  });

  it('is the same for status and orphans', async () => {
    const base = await shortFolder();
    const state = join(base, 'state');
    await writeState(
      state,
      encodeState({ bootId: 'b', gpus: [], holdings: { kubelet: null, orphans: [], booked: [] } }),
      () => true,
    );
    await writeFile(join(state, 'state.json'), '{');
    await writeFile(join(base, 'c.yaml'), `bogus: 1\nflags: {agent: {stateDir: ${state}}}`);
    const { terminal, close } = fakeTerminal({ env: { CONFIG_FILE: join(base, 'c.yaml') } });
    expect(await runStatusCommand([], terminal)).toBe(1);
    expect(await runOrphansCommand([], terminal)).toBe(1);
    const { stderr } = await close();
    expect(stderr).toContain(`there is no socket of one in ${state}/run`);
    expect(stderr).toContain(`${state}/state.json cannot be used`);
  });
});
