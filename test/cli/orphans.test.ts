import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeptOrphan } from '../../src/allocation/holdings/kept-holdings.ts';
import { runOrphansCommand } from '../../src/cli/orphans.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { readReleases, removeRelease } from '../../src/state/releases.ts';
import { encodeState, writeState } from '../../src/state/state-file.ts';
import { fakeTerminal, type FakeTerminalOptions } from './fake-terminal.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const [first, second] = [0, 1].map((n) => `GPU-0000000${n}-0000-0000-0000-000000000000`) as [string, string];

function orphan(gpus: readonly string[], pod: string | null): KeptOrphan {
  return {
    owner: pod === null ? { podUid: 'uid-1', container: 'main' } : null,
    resource: 'nvidia.com/gpu-memory',
    deviceIds: ['m0', 'm1'],
    record: null,
    shown: pod === null ? null : { namespace: 'ns', pod, container: 'app' },
    gpus,
  };
}

async function write(orphans: readonly KeptOrphan[]): Promise<void> {
  const gpus = [first, second].map((uuid, index) => ({ uuid, index }));
  const holdings = { kubelet: null, orphans, booked: [] };
  await writeState(folder, encodeState({ bootId: 'boot', gpus, holdings }), () => true);
}

async function run(args: readonly string[], given: FakeTerminalOptions = {}) {
  const { terminal, close } = fakeTerminal({ env: { SLICEWISE_STATE_DIR: folder }, ...given });
  const code = await runOrphansCommand(args, terminal);
  const { stdout, stderr } = await close();
  return { code, stdout, stderr: stderr.replaceAll(folder, '<dir>') };
}

describe('slicewise orphans', () => {
  it('lists them', async () => {
    await write([orphan([first], 'web'), orphan([second], null)]);
    const outcome = await run([]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, '|'))).toEqual([
      'GPU|POD|CONTAINER|RESOURCE|DEVICES',
      `0 ${first}|ns/web|app|nvidia.com/gpu-memory|2`,
      `1 ${second}|uid-1|main|nvidia.com/gpu-memory|2`,
      '',
    ]);
    expect(await run(['list'])).toEqual(outcome);
    expect(await run(['--state-dir', folder], { env: {} })).toEqual(outcome);
  });

  it('lists them for a program', async () => {
    await write([orphan([first, 'GPU-gone'], 'web')]);
    expect(JSON.parse((await run(['--output', 'json'])).stdout)).toEqual([
      {
        gpus: [
          { uuid: first, index: 0 },
          { uuid: 'GPU-gone', index: null },
        ],
        pod: 'ns/web',
        container: 'app',
        resource: 'nvidia.com/gpu-memory',
        devices: 2,
      },
    ]);
  });

  it('lists none where the agent has written none down', async () => {
    expect(await run([])).toEqual({ code: 0, stdout: 'No orphans.\n', stderr: '' });
    expect(await run(['--output', 'json'])).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
    await write([]);
    expect(await run([])).toEqual({ code: 0, stdout: 'No orphans.\n', stderr: '' });
  });

  it.each<[string, readonly string[], Terminal['env'], number, string]>([
    ['another output', ['--output', 'yaml'], {}, 2, 'Allowed choices are table, json'],
    ['another word', ['liste'], {}, 2, 'too many arguments'],
    ['a config that is wrong', [], { MIG_STRATEGY: 'x' }, 2, 'MIG_STRATEGY'],
    ['release without a GPU', ['release'], {}, 2, "missing required argument 'gpu'"],
  ])('refuses %s', async (_, args, env, code, stderr) => {
    const outcome = await run(args, { env });
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain(stderr);
  });

  it('says when what is there cannot be read', async () => {
    await writeFile(join(folder, 'state.json'), '{', { mode: 0o600 });
    const outcome = await run([]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('<dir>/state.json cannot be used: it is no JSON');
  });
});

describe('slicewise orphans release', () => {
  /** An agent that hears what is left for it once. */
  async function hear(released: readonly KeptOrphan[]): Promise<readonly string[]> {
    for (;;) {
      const releases = await readReleases(folder);
      for (const { gpu } of releases) {
        await write(released);
        await removeRelease(folder, gpu);
      }
      if (releases.length > 0) return releases.map(({ gpu }) => gpu);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  it.each(['0', first])('tells the agent, by %s', async (name) => {
    await write([orphan([first], 'a'), orphan([first], 'b'), orphan([second], 'c')]);
    const heard = hear([orphan([second], 'c')]);
    expect(await run(['release', name])).toEqual({
      code: 0,
      stdout: `${first}: released (2 orphans)\n`,
      stderr: '',
    });
    expect(await heard).toEqual([first]);
  });

  it('says when the agent did not do it', async () => {
    await write([orphan([first], 'a')]);
    const heard = hear([orphan([first], 'b')]);
    const outcome = await run(['release', '0']);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain("the agent's log says why");
    await heard;
  });

  it('says when nobody hears it, and leaves it there', async () => {
    await write([orphan([first], 'a')]);
    const outcome = await run(['release', '0'], { signal: AbortSignal.abort() });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('no agent has heard it yet');
    expect(await readdir(join(folder, 'release'))).toEqual([first]);
  });

  it.each<[string, readonly KeptOrphan[] | null, string, number, string]>([
    ['no state', null, '0', 1, 'no orphan in <dir>'],
    ['no orphans', [], '0', 1, 'no orphan in <dir>'],
    ['none on this GPU', [orphan([first], 'a')], '1', 1, `nothing to release on ${second}`],
    [
      'no such index',
      [orphan([first], 'a')],
      '2',
      2,
      `there is no GPU 2 on this node; the agent knows 0 (${first})`,
    ],
    ['no such UUID', [orphan([first], 'a')], `${first.slice(0, -1)}f`, 2, 'there is no GPU'],
    ['a path', [orphan([first], 'a')], '../state.json', 2, 'there is no GPU'],
    ['a GPU of no known form', [orphan(['../x'], 'a')], '../x', 1, 'is not the UUID of a GPU'],
  ])('leaves nothing: %s', async (_, orphans, gpu, code, stderr) => {
    if (orphans !== null) await write(orphans);
    const outcome = await run(['release', gpu]);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain(stderr);
    expect(await readReleases(folder)).toEqual([]);
  });
});
