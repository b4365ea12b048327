import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeptEntry } from '../../src/allocation/holdings/kept-holdings.ts';
import { isGpuUuid } from '../../src/state/gpu-uuid.ts';
import { askRelease, orphanKey, readReleases, removeRelease } from '../../src/state/releases.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const gpu = 'GPU-00000000-0000-0000-0000-000000000001';
const orphan: KeptEntry = {
  owner: { podUid: 'uid', container: 'main' },
  resource: 'nvidia.com/gpu-memory',
  deviceIds: ['m0', 'm1'],
  record: '{"version":1,"gpus":[{"uuid":"GPU-a","mib":2048}]}',
  shown: null,
};

describe('the UUID of a GPU', () => {
  it.each<[string, boolean]>([
    [gpu, true],
    ['GPU-ABCDEF00-0000-0000-0000-000000000001', true],
    ['', false],
    ['GPU-1', false],
    ['MIG-00000000-0000-0000-0000-000000000001', false],
    [`${gpu}/`, false],
    [`${gpu}\n`, false],
    [`../${gpu}`, false],
    ['GPU-../../../../../../../../../../etc/passwd', false],
    ['GPU-00000000-0000-0000-0000-00000000000.', false],
  ])('%j: %s', (text, expected) => {
    expect(isGpuUuid(text)).toBe(expected);
  });
});

describe('the key of an orphan', () => {
  it.each<[string, Partial<KeptEntry>, boolean]>([
    ['the same', {}, true],
    ['ids in another order', { deviceIds: ['m1', 'm0'] }, true],
    ['its name is known by now', { shown: { namespace: 'n', pod: 'p', container: 'main' } }, true],
    ['another pod', { owner: { podUid: 'other', container: 'main' } }, false],
    ['another container', { owner: { podUid: 'uid', container: 'side' } }, false],
    ['nobody known', { owner: null }, false],
    ['other ids', { deviceIds: ['m0'] }, false],
    ['another resource', { resource: 'nvidia.com/gpu' }, false],
    ['another record', { record: null }, false],
  ])('%s', (_, change, isSame) => {
    expect(orphanKey({ ...orphan, ...change }) === orphanKey(orphan)).toBe(isSame);
  });
});

describe('a word that is left', () => {
  it('is read once, by the orphans that it means', async () => {
    const isWaiting = await askRelease(folder, gpu, [orphan]);
    expect(await isWaiting()).toBe(true);
    expect(await readReleases(folder)).toEqual([{ gpu, orphans: new Set([orphanKey(orphan)]) }]);
    expect((await stat(join(folder, 'release'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, 'release'))).toEqual([gpu]);
    await removeRelease(folder, gpu);
    expect(await isWaiting()).toBe(false);
    expect(await readReleases(folder)).toEqual([]);
  });

  it('is none where nobody has left one', async () => {
    expect(await readReleases(folder)).toEqual([]);
    expect(await readReleases(join(folder, 'none'))).toEqual([]);
    await removeRelease(folder, gpu);
  });

  it('has no other name than the UUID of a GPU', async () => {
    await expect(askRelease(folder, '../state.json', [orphan])).rejects.toThrow('not the UUID');
    await mkdir(join(folder, 'release'), { mode: 0o700 });
    for (const name of ['0', '.new', 'GPU-1']) await writeFile(join(folder, 'release', name), '[]');
    expect(await readReleases(folder)).toEqual([]);
  });

  it.each<[string, (path: string) => Promise<void>, string]>([
    ['a link', (path) => symlink('/etc/hostname', path), 'ELOOP'],
    ['a folder', (path) => mkdir(path), 'no plain file'],
    ['no JSON', (path) => writeFile(path, 'x', { mode: 0o600 }), 'JSON'],
    ['no keys', (path) => writeFile(path, '["../x"]', { mode: 0o600 }), ''],
    ['huge', (path) => writeFile(path, '['.padEnd(70_000), { mode: 0o600 }), 'more than 65536'],
    [
      'a file that all may write to',
      async (path) => {
        await writeFile(path, '[]');
        await chmod(path, 0o666);
      },
      'others may write',
    ],
  ])('cannot be read: %s', async (_, prepare, reason) => {
    await mkdir(join(folder, 'release'), { mode: 0o700 });
    await prepare(join(folder, 'release', gpu));
    expect(await readReleases(folder)).toEqual([
      { gpu, orphans: { unreadable: expect.stringContaining(reason) as string } },
    ]);
    await removeRelease(folder, gpu);
    expect(await readReleases(folder)).toEqual([]);
  });

  it('is not read from a folder that is not ours', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, gpu), '[]');
    await symlink(elsewhere, join(folder, 'release'));
    await expect(readReleases(folder)).rejects.toThrow('a link');
    await rm(join(folder, 'release'));
    await mkdir(join(folder, 'release'));
    await chmod(join(folder, 'release'), 0o777);
    await expect(readReleases(folder)).rejects.toThrow('others may write');
  });

  it('is not written through a link', async () => {
    const aim = join(folder, 'aim');
    await writeFile(aim, 'precious');
    await mkdir(join(folder, 'release'), { mode: 0o700 });
    await symlink(aim, join(folder, 'release', gpu));
    await askRelease(folder, gpu, [orphan]);
    expect(await readFile(aim, 'utf8')).toBe('precious');
  });
});
