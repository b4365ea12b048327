import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runConfigCommand } from '../../src/cli/config.ts';
import { shortFolder } from '../support/short-folder.ts';
import { fakeTerminal } from './fake-terminal.ts';

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await shortFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await mkdir(join(folder, '..data'));
  return folder;
}

async function check(folder: string, ...args: readonly string[]) {
  const { terminal, close } = fakeTerminal();
  const code = await runConfigCommand(['check', ...args], terminal);
  const { stdout, stderr } = await close();
  const lines = stdout.replaceAll(folder, '').split('\n').slice(0, -1);
  return { code, lines, stderr: stderr.replaceAll(folder, '') };
}

const good = { default: 'version: v1\n', mig: 'version: v1\nflags: {migStrategy: mixed}\n' };

describe('config check --per-node', () => {
  it.each([
    ['memory: {unit: 512Mi}', 'memory.unit', 'SLICEWISE_MEMORY_UNIT'],
    ['memory: {maxPerContainer: 10Gi}', 'memory.maxPerContainer', 'SLICEWISE_MEMORY_MAX_PER_CONTAINER'],
    ['flags: {agent: {stateDir: /state}}', 'flags.agent.stateDir', 'SLICEWISE_STATE_DIR'],
  ])('refuses %s, which a file of all nodes may say', async (text, key, variable) => {
    const folder = await folderWith({ shared: text });
    const file = join(folder, 'shared');
    expect(await check(folder, file)).toMatchObject({ code: 0 });
    const { code, lines } = await check(folder, '--per-node', file);
    expect([code, lines.length]).toEqual([2, 1]);
    expect(lines[0]).toContain(`: ${key}: `);
    expect(lines[0]).toContain('a config of some nodes may not set it');
    expect(lines[0]).toContain(variable);
  });
});

describe('config check --config-dir', () => {
  it('judges every file, and says all that is wrong', async () => {
    const folder = await folderWith({ ...good, shared: 'memory: {unit: 512Mi}', wrong: 'bogus: 1' });
    const { code, lines } = await check(folder, '--config-dir', folder);
    expect(code).toBe(2);
    expect(lines.map((line) => line.split(': ', 2).join(': '))).toEqual([
      '/default is good: GPUs are offered whole as nvidia.com/gpu, found by auto, and handed over by uuid through envvar.',
      '/mig is good: GPUs are offered whole as nvidia.com/gpu, MIG instances by their profile, found by auto, and handed over by uuid through envvar.',
      '/shared:1:16: memory.unit',
      '/wrong:1:1: bogus',
      expect.stringMatching(/^A node without the label gets none: /),
    ]);
  });

  it.each<[readonly string[], 0 | 2, string]>([
    [['--label', 'mig'], 0, "A node whose label says 'mig' gets 'mig'."],
    [['--label', 'mug'], 2, "A node whose label says 'mug' gets none: "],
    [['--label', '', '--default-config', 'mig'], 0, "A node without the label gets 'mig', the default."],
    [['--default-config', 'mug'], 2, 'A node without the label gets none: the default config'],
    [[], 0, 'A node without the label gets none: '],
    [['--label='], 2, 'A node without the label gets none: '],
    [['--fallback-strategies', 'single,named'], 0, "gets 'default' by its name (fallback strategy named)."],
    [['--fallback-strategies', 'single'], 2, 'A node without the label gets none: '],
    [['--fallback-strategies', 'empty'], 0, 'gets no file, which is all defaults'],
  ])('with %j', async (args, code, text) => {
    const folder = await folderWith(good);
    const outcome = await check(folder, '--config-dir', folder, ...args);
    expect(outcome).toMatchObject({ code, stderr: '' });
    expect(outcome.lines.at(-1)).toContain(text);
  });

  it.each<[string, readonly string[], string]>([
    [
      'a folder that is not there',
      ['--config-dir', '/nowhere'],
      'cannot read the folder of configs /nowhere: ENOENT',
    ],
    ['a wrong strategy', ['--config-dir', '/', '--fallback-strategies', 'best'], "'best' ] is not allowed"],
    ['a file and a folder', ['file', '--config-dir', '/'], '--config-dir goes neither with a file'],
    ['neither', [], "missing required argument 'file'"],
    ['a label without a folder', ['file', '--label', 'mig'], 'go with --config-dir'],
    [
      "a file of NVIDIA's",
      ['file', '--from-nvidia', '--per-node'],
      '--from-nvidia does not go with --per-node',
    ],
  ])('refuses %s', async (_title, args, text) => {
    const { code, lines, stderr } = await check('/none', ...args);
    expect([code, lines]).toEqual([2, []]);
    expect(stderr).toContain(text);
  });
});
