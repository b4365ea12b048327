import { loadConfig } from '../../src/config/load.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseAgentOptions } from '../../src/cli/agent-options.ts';
import { runConfigCommand } from '../../src/cli/config.ts';
import type { ExitCode, Terminal } from '../../src/cli/terminal.ts';
import { textTable } from '../../src/cli/text-table.ts';
import { fakeTerminal } from './fake-terminal.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(content: string): Promise<string> {
  const path = join(folder, 'c.yaml');
  await writeFile(path, content);
  return path;
}

interface Outcome {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Terminal['env'] = {}): Promise<Outcome> {
  const { terminal, close } = fakeTerminal({ env });
  const code = await runConfigCommand(args, terminal);
  const { stdout, stderr } = await close();
  return { code, stdout: stdout.replaceAll(folder, ''), stderr: stderr.replaceAll(folder, '') };
}

describe('check', () => {
  test('one line for a good file', async () => {
    const outcome = await run(['check', await write('flags: {plugin: {deviceListStrategy: volume-mounts}}')]);
    expect(outcome).toEqual({
      code: 0,
      stdout:
        '/c.yaml is good: GPUs are offered whole as nvidia.com/gpu, found by auto, and handed over by uuid through volume-mounts.\n',
      stderr: '',
    });
  });

  test('every problem of a bad one, without a look at the environment', async () => {
    const outcome = await run(['check', await write('bogus: 1\nversion: v9\n')], { MIG_STRATEGY: 'foo' });
    expect(outcome.code).toBe(2);
    expect(outcome.stdout.split('\n').map((line) => line.split(': ').slice(0, 2).join(' '))).toEqual([
      '/c.yaml:1:1 bogus',
      '/c.yaml:2:10 version',
      '',
    ]);
  });

  test('a file that is not there', async () => {
    const outcome = await run(['check', join(folder, 'none')]);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('cannot read the config file /none: ENOENT');
  });

  test('--from-nvidia as a table', async () => {
    const path = await write(
      'flags:\n  migstrategy: none\n  failOnInitError: true\n  deviceDiscoveryStrategy: tegra\nmemory: {enabled: false}\n',
    );
    const outcome = await run(['check', '--from-nvidia', path]);
    expect(outcome.code).toBe(1);
    await expect(narrow(outcome.stdout)).toMatchFileSnapshot('../golden/config-from-nvidia.txt');
  });

  test('--from-nvidia when nothing differs, and when nothing can be read', async () => {
    const same = await run(['check', '--from-nvidia', await write('version: v1')]);
    expect(same).toMatchObject({ code: 0, stdout: expect.stringContaining('unless memory.enabled: false') });
    const without = await run([
      'check',
      '--from-nvidia',
      await write('version: v1\nmemory: {enabled: false}'),
    ]);
    expect(without.stdout).not.toContain('Note');
    expect(await run(['check', '--from-nvidia', await write('[')])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('print', () => {
  test('every value and where it comes from', async () => {
    const path = await write('flags:\n  plugin:\n    passDeviceSpecs: true\n');
    const outcome = await run(
      ['print', '--config-file', path, '--device-list-strategy=envvar,volume-mounts'],
      {
        DEVICE_ID_STRATEGY: 'index',
      },
    );
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toMatch(/^Note: .*index/);
    await expect(narrow(outcome.stdout)).toMatchFileSnapshot('../golden/config-print.txt');
  });

  test('as YAML, which loads to the same configuration', async () => {
    const args = ['print', '--output', 'yaml'];
    const first = await run([
      ...args,
      '-pass-device-specs',
      '--http-address',
      '[::1]:0',
      '--imex-channel-ids',
      '0',
    ]);
    await expect(first.stdout).toMatchFileSnapshot('../golden/config-print.yaml');
    const again = await run([...args, '--config-file', await write(first.stdout)]);
    expect(parse(again.stdout)).toEqual(parse(first.stdout));
    expect(first.stdout).toContain('passDeviceSpecs: true # flag --pass-device-specs');
  });

  test('as JSON, with the origins', async () => {
    const { stdout } = await run(['print', '--output=json'], { MIG_STRATEGY: 'none' });
    expect(JSON.parse(stdout)).toMatchObject({
      config: { flags: { migStrategy: 'none' } },
      origins: { 'flags.migStrategy': 'env MIG_STRATEGY', 'imex.required': 'default' },
    });
  });

  test('CONFIG_FILE names the file, the flag another one', async () => {
    const env = { CONFIG_FILE: await write('version: v2') };
    expect(await run(['print'], env)).toMatchObject({ code: 2, stdout: '' });
    expect(await run(['print', '--config-file='], env)).toMatchObject({ code: 0 });
  });
});

test('print with a folder of configs says that none of them is in it', async () => {
  const { code, stderr } = await run(['print'], { CONFIG_FILE_SRCDIR: '/configs' });
  expect(code).toBe(0);
  expect(stderr).toContain(
    "the config that the node's label picks is left out; give that file by --config-file",
  );
});

describe('print --resources', () => {
  test('what the configuration makes of the GPUs, and what cannot be done', async () => {
    const file = await write(
      'flags: {migStrategy: mixed}\nsharing: {timeSlicing: {resources: [{name: mig-1g.5gb, replicas: 4}, {name: x, replicas: 2}]}}\n',
    );
    const args = ['print', '--resources', '--scenario', 'a100x2-mig-mixed', '--config-file', file];
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'RESOURCE                DEVICES  FROM',
      'nvidia.com/mig-3g.20gb  1        1 MIG instance on 1 GPU',
      'nvidia.com/mig-2g.10gb  1        1 MIG instance on 1 GPU',
      'nvidia.com/mig-1g.5gb   36       9 MIG instances on 2 GPUs, in time slices',
      'Note: sharing.timeSlicing.resources[1]: there is no nvidia.com/x on this node to share',
      expect.stringMatching(/^Note: not offered by memory \(in MIG mode\): GPU 0 \(GPU-.*, GPU 1 \(GPU-/),
      '',
    ]);
  });

  test('on a node without GPUs, and with GPUs that are not as asked', async () => {
    expect((await run(['print', '--resources', '--scenario', 'none'])).stdout).toBe('No resource.\n');
    const { stdout } = await run(['print', '--resources', '--scenario', 'a100x2-mig-mixed']);
    expect(stdout).toContain('nvidia.com/gpu  2        2 GPUs\n');
    expect(stdout.match(/^Not as asked: GPU [01] .* is in MIG mode and offered whole/gm)).toHaveLength(2);
  });

  test('with memory, and how much of it can be promised', async () => {
    const args = ['print', '--resources', '--scenario', 'a100x8'];
    expect((await run(args)).stdout.split('\n')[2]).toBe(
      'nvidia.com/gpu-memory  312      39 units of 1Gi on each of 8 GPUs, 46 of them promised while all are free',
    );
    expect((await run([...args, '--memory-fit', 'sum'])).stdout).toContain('on each of 8 GPUs\n');
    expect((await run([...args, '--memory-enabled=false'])).stdout).not.toContain('memory');
    const pools = (await run([...args, '--memory-devices', '0,1'])).stdout;
    expect(pools).toContain('nvidia.com/gpu         6        6 GPUs\n');
    expect(pools).toContain('78       39 units of 1Gi on each of 2 GPUs');
    const nothing = await run([...args, '--memory-devices', '0', '--memory-reserved-per-gpu', '40Gi']);
    expect(nothing.stdout).toMatch(
      /^Not as asked: memory\.devices: not offered whole, and no memory to offer \(of its/m,
    );
    const off = await run([...args, '--memory-enabled=false', '--memory-devices', '0']);
    expect(off.stdout).toBe('RESOURCE        DEVICES  FROM\nnvidia.com/gpu  8        8 GPUs\n');
  });

  test('with code 1 when nothing can be read', async () => {
    const { code, stderr } = await run(['print', '--resources', '--scenario', join(folder, 'nowhere.yaml')]);
    expect(code).toBe(1);
    expect(stderr).toContain('the GPUs of this node cannot be read');
  });
});

test('schema describes the file', async () => {
  const { code, stdout } = await run(['schema']);
  expect(code).toBe(0);
  await expect(stdout).toMatchFileSnapshot('../golden/config-schema.json');
});

describe('usage', () => {
  test.each([
    [[]],
    [['bogus']],
    [['check']],
    [['check', 'a', 'b']],
    [['print', '--mig-stategy', 'x']],
    [['print', 'x']],
  ])('%j is wrong use', async (args) => {
    expect(await run(args)).toMatchObject({ code: 2, stdout: '' });
  });

  test('a misspelt flag is answered with the right one', async () => {
    expect((await run(['print', '--mig-stategy', 'x'])).stderr).toContain('Did you mean --mig-strategy?');
  });

  test.each([[['--help']], [['check', '--help']], [['print', '--help']], [['schema', '--help']]])(
    '%j',
    async (args) => {
      const outcome = await run(args);
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
      expect(outcome.stdout).toMatch(/^Usage: slicewise config/);
    },
  );
});

describe('the options of the agent', () => {
  async function optionsOf(...args: string[]): Promise<unknown> {
    const { terminal } = fakeTerminal();
    return parseAgentOptions(args, terminal);
  }
  const cases: readonly [args: string[], flags: Readonly<Record<string, unknown>>][] = [
    [[], {}],
    [
      ['--pass-device-specs', '--mig-strategy', 'none'],
      { 'pass-device-specs': true, 'mig-strategy': 'none' },
    ],
    [['--pass-device-specs=false'], { 'pass-device-specs': 'false' }],
    [['-driver-root=/x'], { 'driver-root': '/x' }],
    [['--driver-root=/x', '--nvidia-driver-root=/y'], { 'nvidia-driver-root': '/y' }],
    [
      ['--device-list-strategy', 'a,b', '--device-list-strategy', 'c'],
      { 'device-list-strategy': ['a,b', 'c'] },
    ],
    [['--http-address='], { 'http-address': '' }],
  ];
  test.each(cases)('%j', async (args, flags) => {
    expect(await optionsOf(...args)).toEqual({ kind: 'flags', flags });
  });

  test('an unknown option is left to be refused together with all else that is wrong; a word is wrong use', async () => {
    expect(await optionsOf('--bogus')).toEqual({ kind: 'flags', flags: { bogus: true } });
    const loaded = await loadConfig({ flags: { bogus: true }, env: {}, file: null });
    expect(loaded).toMatchObject({ kind: 'invalid', where: 'command-line' });
    expect(await optionsOf('word')).toEqual({ kind: 'exit', code: 2 });
  });

  test('the help lists every option with its variable and default', async () => {
    const { terminal, close } = fakeTerminal();
    expect(await parseAgentOptions(['--help'], terminal)).toEqual({ kind: 'exit', code: 0 });
    await expect((await close()).stdout).toMatchFileSnapshot('../golden/config-agent-help.txt');
  });
});

/** A table whose columns do not depend on how long the path of this run's folder is. */
function narrow(table: string): string {
  return table.replaceAll(/ {2,}/g, '  ');
}

test('tables are aligned, and nothing trails', () => {
  expect(
    textTable([
      ['a', 'b', 'c'],
      ['long', '', 'x'],
      ['', 'wide', ''],
    ]),
  ).toBe('a     b     c\nlong        x\n      wide\n');
});
