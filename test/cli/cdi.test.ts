import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCdiCommand } from '../../src/cli/cdi.ts';
import { shortFolder } from '../support/short-folder.ts';
import { fakeTerminal } from './fake-terminal.ts';

const fileName = 'slicewise-nvidia-gpu.json';

/** Runs the command on a simulated machine whose specs lie in the folder, and whose driver is nowhere. */
async function run(folder: string, command: string, ...args: readonly string[]) {
  const { terminal, close } = fakeTerminal();
  const roots = [
    `--cdi-root=${folder}`,
    `--container-driver-root=${folder}`,
    '--nvidia-dev-root=/nonexistent',
  ];
  const code = await runCdiCommand([command, ...roots, ...args], terminal);
  const { stdout, stderr } = await close();
  return { code, stdout: stdout.replaceAll(folder, '<dir>'), stderr: stderr.replaceAll(folder, '<dir>') };
}

async function writtenFor(scenario: string): Promise<readonly string[]> {
  const { code, stdout } = await run(await shortFolder(), 'write', `--scenario=${scenario}`, '--output=json');
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { readonly devices: readonly string[] }).devices;
}

describe('slicewise cdi write', () => {
  it('writes the spec, says its names, and leaves it alone when it is as it should be', async () => {
    const folder = join(await shortFolder(), 'cdi');
    const first = await run(folder, 'write', '--scenario=t4x1');
    const names =
      'nvidia.com/gpu=0\nnvidia.com/gpu=GPU-e2f42809-58fa-334f-752a-2cc8986ceeaa\nnvidia.com/gpu=all\n';
    expect(first).toMatchObject({
      code: 0,
      stdout: `<dir>/${fileName} was written; it describes\n${names}`,
      stderr: expect.stringContaining('it holds no libcuda.so') as string,
    });
    const before = await stat(join(folder, fileName), { bigint: true });
    expect(before.mode & 0o777n).toBe(0o644n);
    const again = await run(folder, 'write', '--scenario=t4x1');
    expect(again).toMatchObject({
      code: 0,
      stdout: `<dir>/${fileName} is as it should be; it describes\n${names}`,
    });
    const { ino, mtimeNs } = await stat(join(folder, fileName), { bigint: true });
    expect([ino, mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  });

  it('describes MIG instances too', async () => {
    const folder = await shortFolder();
    await run(folder, 'write', '--scenario=a100x2-mig-mixed');
    const spec = JSON.parse(await readFile(join(folder, fileName), 'utf8')) as object;
    await expect(`${JSON.stringify({ gpu: spec }, null, 2)}\n`).toMatchFileSnapshot(
      '../golden/cdi-machine.json',
    );
  });

  it.each(['nvidia.yaml', 'nvidia.json'])('leaves the folder to a spec of the toolkit, %s', async (name) => {
    const folder = await shortFolder();
    const theirs = { cdiVersion: '0.5.0', kind: 'nvidia.com/gpu', devices: [{ name: 'all' }] };
    await writeFile(join(folder, name), JSON.stringify(theirs));
    const { code, stdout, stderr } = await run(folder, 'write', '--scenario=t4x1');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`<dir>/${name} describes the same devices`);
    await expect(stat(join(folder, fileName))).rejects.toThrow('ENOENT');
    await writeFile(join(folder, name), JSON.stringify({ ...theirs, kind: 'nvidia.com/other' }));
    expect(await run(folder, 'write', '--scenario=t4x1')).toMatchObject({ code: 0 });
  });

  it('says when it cannot write', async () => {
    const folder = await shortFolder();
    await writeFile(join(folder, 'cdi'), '');
    const { code, stderr } = await run(join(folder, 'cdi'), 'write', '--scenario=t4x1');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/slicewise cdi write: E\w+: /)]);
  });

  it.each([
    ['a machine without GPUs', ['--scenario=none'], 1, 'there is no GPU that can be described'],
    ['GPUs that cannot be read', ['--scenario=/nonexistent'], 1, '/nonexistent'],
    ['a wrong flag', ['--mig-strategy=x'], 2, '--mig-strategy'],
    ['another output', ['--output=xml'], 2, 'Allowed choices are text, json'],
  ])('fails on %s', async (_title, args, code, text) => {
    const folder = await shortFolder();
    const outcome = await run(folder, 'write', ...args);
    expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) as string });
  });
});

describe('slicewise cdi check', () => {
  it('tells what is there from what should be, and writes nothing', async () => {
    const folder = await shortFolder();
    expect(await run(folder, 'check', '--scenario=t4x1')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`<dir>/${fileName} is not there; it should describe\n`) as string,
    });
    await expect(stat(join(folder, fileName))).rejects.toThrow('ENOENT');
    await run(folder, 'write', '--scenario=t4x1');
    expect(await run(folder, 'check', '--scenario=t4x1')).toMatchObject({ code: 0 });
    const { code, stdout } = await run(folder, 'check', '--scenario=v100x4', '--output=json');
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { outcome: 'other' }]);
    await rm(join(folder, fileName));
    await mkdir(join(folder, fileName));
    expect(await run(folder, 'check', '--scenario=t4x1')).toMatchObject({ code: 1, stdout: '' });
  });
});

it('the compose file names devices that there are on a machine with several GPUs', async () => {
  interface Service {
    readonly deploy: {
      readonly resources: { readonly reservations: { readonly devices: readonly Reservation[] } };
    };
  }
  interface Reservation {
    readonly driver: string;
    readonly device_ids: readonly string[];
  }
  const text = await readFile(new URL('../../deploy/compose/compose.yaml', import.meta.url), 'utf8');
  const { services } = parse(text) as { readonly services: Readonly<Record<string, Service>> };
  const reserved = Object.values(services).flatMap(({ deploy }) => deploy.resources.reservations.devices);
  expect(reserved.length).toBeGreaterThan(2);
  expect(new Set(reserved.map(({ driver }) => driver))).toEqual(new Set(['cdi']));
  const named = reserved.flatMap(({ device_ids: ids }) => ids);
  expect(named.length).toBeGreaterThan(3);
  expect(await writtenFor('a100x8')).toEqual(expect.arrayContaining(named));
  expect(await writtenFor('t4x1')).not.toEqual(expect.arrayContaining(named));
});
