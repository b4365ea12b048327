import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { newSocketName, removeDeadSockets } from '../../src/kubelet/own-sockets.ts';
import { shortFolder } from '../support/short-folder.ts';

async function makeSocket(path: string): Promise<void> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(path, resolve);
  await promise;
  onTestFinished(() => void server.close());
}

it('a socket name is new each time, says whose it is, and fits beside the kubelet in 107 bytes', () => {
  const names = Array.from({ length: 1000 }, () => newSocketName('gpu'));
  expect(new Set(names).size).toBe(1000);
  for (const name of names) expect(name).toMatch(/^slicewise-gpu-[0-9a-f]{8}\.sock$/);
  const longest = newSocketName('x'.repeat(40));
  expect(`/var/lib/kubelet/device-plugins/${longest}`.length).toBeLessThanOrEqual(107);
});

it('only sockets of earlier runs and what is left of rehearsals are removed', async () => {
  const folder = await shortFolder();
  const dead = [newSocketName('gpu'), newSocketName('gpu-memory')];
  for (const name of [...dead, 'kubelet.sock', 'nvidia-gpu.sock']) await makeSocket(join(folder, name));
  await writeFile(join(folder, 'slicewise.lock'), '');
  await writeFile(join(folder, 'slicewise-gpu-notes.txt'), '');
  await mkdir(join(folder, 'slicewise-folder'));
  await mkdir(join(folder, 'slicewise-rehearsal-x'));
  await makeSocket(join(folder, 'slicewise-rehearsal-x', 'plugin.sock'));
  expect(removeDeadSockets(folder).toSorted()).toEqual([...dead, 'slicewise-rehearsal-x'].toSorted());
  expect((await readdir(folder)).toSorted()).toEqual([
    'kubelet.sock',
    'nvidia-gpu.sock',
    'slicewise-folder',
    'slicewise-gpu-notes.txt',
    'slicewise.lock',
  ]);
  expect(removeDeadSockets(folder)).toEqual([]);
});
