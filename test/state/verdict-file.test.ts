import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toKeep } from '../../src/health/kept-verdicts.ts';
import { readVerdicts, writeVerdicts, type KeptVerdicts } from '../../src/state/verdict-file.ts';
import { ackAll, after, boot, lost, signs, xid } from '../health/health-steps.ts';
import { shortFolder } from '../support/short-folder.ts';

const everything = after(
  [
    boot(0),
    signs({ sramThresholdExceeded: true }),
    ackAll,
    xid(79),
    xid(95, { gpuInstanceId: 3, computeInstanceId: null }),
    xid(13),
    lost,
  ],
  { apartMs: 1000 },
);
const kept: KeptVerdicts = {
  bootId: everything.bootId,
  savedAt: 1e12 + 10_000,
  gpus: toKeep(everything, 1e12 + 10_000),
};

async function written(): Promise<{ folder: string; path: string; text: string }> {
  const folder = await shortFolder();
  await writeVerdicts(folder, kept, () => true);
  const path = join(folder, 'health.json');
  return { folder, path, text: await readFile(path, 'utf8') };
}

it('comes back as it was written, for its owner alone', async () => {
  const { folder, path } = await written();
  expect(await readVerdicts(folder)).toEqual({ kind: 'verdicts', kept });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it('has what is held against GPUs, and not what the driver will show again', () => {
  expect(kept.gpus.flatMap(({ findings }) => findings.map(({ key }) => key)).toSorted()).toEqual([
    'sram-threshold',
    'xid-79',
    'xid-95@3',
  ]);
  expect(toKeep(after([signs({ slowdowns: ['thermal'] }), xid(13)]), 1e12)).toEqual([]);
});

it('stays as it is where it may not be replaced', async () => {
  const { folder, text, path } = await written();
  expect(await writeVerdicts(folder, { ...kept, gpus: [] }, () => false)).toBe(false);
  expect(await readFile(path, 'utf8')).toBe(text);
});

it('is absent where there is none', async () => {
  expect(await readVerdicts(await shortFolder())).toEqual({ kind: 'absent' });
  expect(await readVerdicts('/nonexistent')).toEqual({ kind: 'absent' });
});

it.each<[string, (text: string) => string, string]>([
  ['half of it', (text) => text.slice(0, -20), 'it is no JSON'],
  ['nonsense', () => '[1]', 'cannot be used'],
  ['another version', (text) => text.replace('"version":1', '"version":2'), 'its format is 2'],
  ['a state that nobody knows', (text) => text.replace('"unhealthy"', '"sad"'), 'cannot be used'],
  ['far too much', (text) => text + ' '.repeat(2 ** 20), 'more than'],
])('%s is told, and thrown nowhere', async (_, change, expected) => {
  const { folder, path, text } = await written();
  await writeFile(path, change(text));
  const reading = await readVerdicts(folder);
  expect(reading).toEqual({ kind: 'unusable', reason: expect.stringContaining(expected) as string });
  expect(reading).toEqual({ kind: 'unusable', reason: expect.stringContaining(path) as string });
});

it('is not read where others may have written it', async () => {
  const { folder, path, text } = await written();
  await chmod(path, 0o666);
  expect((await readVerdicts(folder)).kind).toBe('unusable');
  const other = await shortFolder();
  await writeFile(join(folder, 'elsewhere'), text);
  await symlink(join(folder, 'elsewhere'), join(other, 'health.json'));
  expect(await readVerdicts(other)).toMatchObject({ kind: 'unusable' });
});
