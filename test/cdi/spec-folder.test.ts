import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CdiClass } from '../../src/allocation/cdi/cdi-names.ts';
import { SpecFolder } from '../../src/cdi/spec-folder.ts';
import { silentLog } from '../../src/lib/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { shortFolder } from '../support/short-folder.ts';

const gpuFile = 'k8s.device-plugin.nvidia.com-gpu.json';
const gdsFile = 'k8s.device-plugin.nvidia.com-gds.json';

/** A spec folder that does not exist yet; `held` are the classes that containers hold. */
async function openFolder(held: ReadonlySet<CdiClass> = new Set()): Promise<SpecFolder> {
  const path = join(await shortFolder(), 'run', 'cdi');
  return new SpecFolder(path, {
    clock: new ManualClock(),
    log: silentLog(),
    isHeld: async (cdiClass) => held.has(cdiClass),
  });
}

const texts = (gpu: string, gds?: string): ReadonlyMap<CdiClass, string> =>
  new Map<CdiClass, string>([['gpu', gpu], ...(gds === undefined ? [] : ([['gds', gds]] as const))]);

test('makes the folder and the files, for all to read', async () => {
  const folder = await openFolder();
  await folder.sync(texts('one', 'two'));
  expect((await readdir(folder.path)).toSorted()).toEqual([gdsFile, gpuFile]);
  expect(await readFile(join(folder.path, gpuFile), 'utf8')).toBe('one');
  expect((await stat(join(folder.path, gpuFile))).mode & 0o777).toBe(0o644);
  expect((await stat(folder.path)).mode & 0o777).toBe(0o755);
});

test('leaves a file alone that is as it should be', async () => {
  const folder = await openFolder();
  await folder.sync(texts('one'));
  const before = await stat(join(folder.path, gpuFile));
  expect(await folder.sync(texts('one'))).toBe(false);
  expect((await stat(join(folder.path, gpuFile))).ino).toBe(before.ino);
});

test('tells a change of its own from one by somebody else', async () => {
  const folder = await openFolder();
  expect(await folder.sync(texts('one'))).toBe(false);
  expect(await folder.sync(texts('two'))).toBe(false);
  await writeFile(join(folder.path, gpuFile), 'foreign');
  expect(await folder.sync(texts('two'))).toBe(true);
  expect(await readFile(join(folder.path, gpuFile), 'utf8')).toBe('two');
});

test('removes the file of a class that is gone, unless somebody holds a device of it', async () => {
  const held = new Set<CdiClass>(['gds']);
  const folder = await openFolder(held);
  await folder.sync(texts('one', 'two'));
  await folder.sync(texts('one'));
  expect(await readdir(folder.path)).toContain(gdsFile);
  held.clear();
  await folder.sync(texts('one'));
  expect(await readdir(folder.path)).toEqual([gpuFile]);
});

test('removes what a killed run left half-written, and nothing of others', async () => {
  const folder = await openFolder();
  await mkdir(folder.path, { recursive: true });
  const others = ['.nvidia.yaml.tmp', 'nvidia.yaml', `${gpuFile}.bak`];
  for (const name of [...others, `.${gpuFile}.0123456789ab.tmp`])
    await writeFile(join(folder.path, name), '');
  await folder.sync(texts('one'));
  expect((await readdir(folder.path)).toSorted()).toEqual([...others, gpuFile].toSorted());
});

test.each([
  ['the folder is a file', async (path: string) => writeFile(path, '')],
  ['the file is a folder', async (path: string) => mkdir(join(path, gpuFile), { recursive: true })],
])('says what could not be done when %s', async (_name, spoil) => {
  const folder = await openFolder();
  await mkdir(join(folder.path, '..'), { recursive: true });
  await spoil(folder.path);
  await expect(folder.sync(texts('one'))).rejects.toMatchObject({
    code: 'cdi-folder',
    message: expect.stringContaining(`${join(folder.path, gpuFile)} cannot be`),
  });
});

test('without anything wanted and without a folder there is nothing to do', async () => {
  const folder = await openFolder();
  await expect(folder.sync(new Map())).resolves.toBe(false);
});
