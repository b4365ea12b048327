import { expect, it } from 'vitest';
import { orWhenAbsent } from '../../src/cdi/absence.ts';
import { RootedFiles } from '../../src/cdi/rooted-files.ts';
import { installDriver, libraryFolder } from '../support/driver-root.ts';
import { holdAllFiles } from '../support/hold-all-files.ts';
import { shortFolder } from '../support/short-folder.ts';

it.each([
  ['ENOENT', 'absent'],
  ['ENOTDIR', 'absent'],
  ['EACCES', 'absent'],
  ['ELOOP', 'absent'],
  ['EMFILE', 'thrown'],
  ['EIO', 'thrown'],
])('%s: %s', async (code, expected) => {
  const look = orWhenAbsent(Promise.reject(Object.assign(new Error(code), { code })), 'absent');
  expect(await look.catch(() => 'thrown')).toBe(expected);
});

it('a folder is not empty because there are no descriptors to read it', async () => {
  const root = await shortFolder();
  await installDriver(root, '590.48.01');
  const files = new RootedFiles(root);
  let listed;
  {
    using held = holdAllFiles();
    expect(held.count).toBeGreaterThan(0);
    listed = await files.list(libraryFolder).catch((thrown: unknown) => thrown);
  }
  expect(listed).toMatchObject({ code: expect.stringMatching(/^E[MN]FILE$/) });
  expect(await files.list(libraryFolder)).toHaveLength(6);
});
