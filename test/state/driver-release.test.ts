import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { askDriverRelease, endDriverRelease, readDriverRelease } from '../../src/state/driver-release.ts';
import { shortFolder } from '../support/short-folder.ts';

const now = 1e12;
const hour = 3_600_000;

it('holds until its time, and until it is taken back', async () => {
  const folder = await shortFolder();
  expect(await readDriverRelease(folder, now)).toBeNull();
  await askDriverRelease(folder, now + 1000);
  expect(await readDriverRelease(folder, now)).toBe(now + 1000);
  expect(await readDriverRelease(folder, now + 1000)).toBeNull();
  await endDriverRelease(folder);
  expect(await readDriverRelease(folder, now)).toBeNull();
  await endDriverRelease(folder);
});

it.each(['', 'soon', 'NaN', 'Infinity', String(now + hour + 1), '-1'])('%j is none', async (text) => {
  const folder = await shortFolder();
  await writeFile(join(folder, 'driver-release'), text, { mode: 0o600 });
  expect(await readDriverRelease(folder, now)).toBeNull();
});

it('is not taken from a file that others may write', async () => {
  const folder = await shortFolder();
  await askDriverRelease(folder, now + 1000);
  await chmod(join(folder, 'driver-release'), 0o666);
  await expect(readDriverRelease(folder, now)).rejects.toThrow('others may write to it');
});
