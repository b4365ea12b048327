import { expect, test } from 'vitest';
import { RootedFiles } from '../../src/cdi/rooted-files.ts';
import { link, put } from '../support/driver-root.ts';
import { shortFolder } from '../support/short-folder.ts';

test.each([
  ['a file', '/usr/lib64/a.so.1', '/usr/lib64/a.so.1'],
  ['a link in the same folder', '/usr/lib64/a.so', '/usr/lib64/a.so.1'],
  ['through a linked folder', '/lib64/a.so', '/usr/lib64/a.so.1'],
  ['an absolute link stays in the tree', '/absolute', '/usr/lib64/a.so.1'],
  ['upward out of the tree is the tree', '/above', '/usr/lib64/a.so.1'],
  ['links to links', '/chain', '/usr/lib64/a.so.1'],
  ['the root', '/', '/'],
  ['a link that leads nowhere', '/dangling', null],
  ['a link to itself', '/circle', null],
  ['nothing', '/none', null],
  ['below a file', '/usr/lib64/a.so.1/x', null],
])('resolve: %s', async (_name, path, expected) => {
  const folder = await shortFolder();
  await put(folder, '/usr/lib64/a.so.1', '');
  await link(folder, '/usr/lib64/a.so', 'a.so.1');
  await link(folder, '/lib64', 'usr/lib64');
  await link(folder, '/absolute', '/lib64/a.so');
  await link(folder, '/above', '../../../lib64/a.so');
  await link(folder, '/chain', 'absolute');
  await link(folder, '/dangling', 'usr/lib64/b.so');
  await link(folder, '/circle', 'circle');
  expect(await new RootedFiles(folder).resolve(path)).toBe(expected);
});

test('a folder is listed that an absolute link leads to, as it is in the tree', async () => {
  const folder = await shortFolder();
  await put(folder, '/opt/driver/a.so.1', '');
  await link(folder, '/usr/lib64', '/opt/driver');
  expect(await new RootedFiles(folder).list('/usr/lib64')).toEqual(['a.so.1']);
});

test('what cannot be read is not there', async () => {
  const files = new RootedFiles('/nowhere/at/all');
  expect(await files.resolve('/usr')).toBeNull();
  expect(await files.list('/usr')).toEqual([]);
  expect(await files.readLink('/usr')).toBeNull();
  expect(await files.stat('/usr')).toBeNull();
});
