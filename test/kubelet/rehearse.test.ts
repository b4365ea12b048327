import { readdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { rehearse } from '../../src/kubelet/rehearse.ts';
import { shortFolder } from '../support/short-folder.ts';

it('a rehearsal leaves nothing behind', async () => {
  const folder = await shortFolder();
  await rehearse(folder, new AbortController().signal);
  expect(await readdir(folder)).toEqual([]);
});

it('a rehearsal that is broken off leaves nothing behind', async () => {
  const folder = await shortFolder();
  const stop = new AbortController();
  const running = rehearse(folder, stop.signal);
  stop.abort();
  await running.catch(() => undefined);
  expect(await readdir(folder)).toEqual([]);
});

it('a rehearsal fails where no folder can be made', async () => {
  await expect(rehearse('/proc/none', new AbortController().signal)).rejects.toThrow('ENOENT');
});
