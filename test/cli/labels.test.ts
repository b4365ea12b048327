import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runLabelsCommand } from '../../src/cli/labels.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { shortFolder } from '../support/short-folder.ts';
import { fakeTerminal } from './fake-terminal.ts';

async function run(args: readonly string[], env: Terminal['env'] = {}) {
  const { terminal, close } = fakeTerminal({ env });
  const code = await runLabelsCommand(args, terminal);
  return { code, ...(await close()) };
}

/** Without a machine or a time, so that the output is the same everywhere. */
const still = ['--no-timestamp', '--machine-type-file=/nonexistent'];

describe('slicewise labels', () => {
  it.each([
    ['h100x8-nvlink', []],
    ['a100x2-mig-mixed', ['--mig-strategy=mixed']],
    ['h100x8-mig', ['--mig-strategy=single']],
    ['mixed-models', []],
  ])('%s', async (scenario, args) => {
    const { code, stdout, stderr } = await run([...still, '--scenario', scenario, ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expect(stdout).toMatchFileSnapshot(`../golden/labels-${scenario}.txt`);
  });

  it('--output json says the same', async () => {
    const args = [...still, '--scenario=t4x1'];
    const [lines, json] = await Promise.all([run(args), run([...args, '--output=json'])]);
    const labels = JSON.parse(json.stdout) as Readonly<Record<string, string>>;
    expect(
      Object.entries(labels)
        .map((entry) => `${entry.join('=')}\n`)
        .join(''),
    ).toBe(lines.stdout);
  });

  it('takes what the agent takes: flags, environment and file', async () => {
    const folder = await shortFolder();
    const file = join(folder, 'config.yaml');
    const machine = join(folder, 'product_name');
    await writeFile(machine, 'DGX-1 with V100\n');
    const resources = [{ name: 'nvidia.com/gpu', replicas: 5 }];
    const config = {
      version: 'v1',
      sharing: { timeSlicing: { resources } },
      flags: { gfd: { machineTypeFile: machine, noTimestamp: true } },
    };
    await writeFile(file, JSON.stringify(config));
    const env = { SLICEWISE_SCENARIO: 'v100x4', CONFIG_FILE: file };
    const { stdout } = await run(['--output=json'], env);
    expect(JSON.parse(stdout)).toMatchObject({
      'nvidia.com/gpu.machine': 'DGX-1-with-V100',
      'nvidia.com/gpu.product': 'Tesla-V100-SXM2-32GB-SHARED',
      'nvidia.com/gpu.replicas': '5',
    });
    expect(stdout).not.toContain('timestamp');
    expect((await run([], { ...env, GFD_NO_TIMESTAMP: 'false' })).stdout).toMatch(/gfd\.timestamp=\d{10}\n/);
  });

  it('offers nothing of GPUs that are for memory alone', async () => {
    const folder = await shortFolder();
    const file = join(folder, 'config.yaml');
    await writeFile(file, JSON.stringify({ version: 'v1', memory: { devices: ['0'] } }));
    const { stdout } = await run(['--scenario=t4x1', '--config-file', file]);
    expect(stdout).toContain('nvidia.com/gpu.count=1\n');
    expect(stdout).toContain('nvidia.com/gpu.replicas=0\n');
  });

  it.each([
    ['GPUs that cannot be read', ['--scenario=/nonexistent'], 1, 'cannot be read'],
    ['a flag that does not exist', ['--labels=yes'], 2, 'unknown option'],
    ['a wrong value', ['--labels-output=both'], 2, 'allowed: none, file, api'],
    ['a file that is not there', ['--config-file=/nonexistent'], 2, '/nonexistent'],
    [
      'a feature file without a path',
      ['--labels-output=file', '--output-file='],
      2,
      'needs flags.gfd.outputFile',
    ],
  ])('%s', async (_title, args, code, message) => {
    const outcome = await run(args);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stdout).toBe('');
  });

  it.each<[string, readonly string[], Terminal['env']]>([
    ['--oneshot', ['--oneshot'], {}],
    ['GFD_ONESHOT', [], { GFD_ONESHOT: 'true' }],
  ])('%s writes the feature file once, and leaves it there', async (_title, args, env) => {
    const path = join(await shortFolder(), 'features.d/gfd');
    const given = [...still, '--scenario=t4x1', '--labels-output=file', `--output-file=${path}`];
    expect(await run([...given, ...args], env)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await readFile(path, 'utf8')).toBe((await run([...still, '--scenario=t4x1'])).stdout);
  });

  it('writes nothing without --oneshot', async () => {
    const path = join(await shortFolder(), 'gfd');
    const given = ['--scenario=t4x1', '--labels-output=file', `--output-file=${path}`];
    expect((await run(given, { GFD_ONESHOT: '0' })).stdout).toContain('nvidia.com/gpu.count=1\n');
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });

  it('--oneshot says what is missing, and what fails', async () => {
    const given = ['--oneshot', '--scenario=t4x1'];
    expect(await run(given)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--labels-output file') as string,
    });
    const unwritable = [...given, '--labels-output=file', '--output-file=/dev/null/gfd'];
    expect(await run(unwritable)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the feature file /dev/null/gfd cannot be written') as string,
    });
    expect(await run([], { GFD_ONESHOT: 'perhaps' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('GFD_ONESHOT') as string,
    });
  });

  it('--help says what it prints and how it ends', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Exit codes: 0 printed or written');
    expect(stdout).toContain('--output <format>');
  });
});
