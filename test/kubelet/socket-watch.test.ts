import { mkdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { watchSocket, type SocketIdentity } from '../../src/kubelet/socket-watch.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Latest } from '../../src/lib/latest.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { shortFolder } from '../support/short-folder.ts';

const patience = { timeout: 5000 };

/** A socket that is listened on; it is made elsewhere and moved, so that it is there at one stroke. */
async function putSocket(path: string): Promise<Server> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(`${path}.new`, resolve);
  await promise;
  onTestFinished(() => void server.close());
  await rename(`${path}.new`, path);
  return server;
}

function stopper(): AbortController {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return stop;
}

/** Each value that was published since the call. */
function record(identity: Latest<SocketIdentity | null>, signal: AbortSignal): (SocketIdentity | null)[] {
  const seen: (SocketIdentity | null)[] = [];
  void (async () => {
    for await (const value of identity.values(signal)) seen.push(value);
  })();
  return seen;
}

// The clock stands still where a test does not move it, so that only file events can tell.
describe('a watched socket', () => {
  it('is known when the watch begins', async () => {
    const path = join(await shortFolder(), 'kubelet.sock');
    await putSocket(path);
    const identity = await watchSocket(path, new ManualClock(), stopper().signal);
    expect(identity.value).toMatch(/^\d+:\d+:\d+$/);
  });

  it('is nothing while it is missing or a plain file', async () => {
    const path = join(await shortFolder(), 'kubelet.sock');
    const identity = await watchSocket(path, systemClock, stopper().signal);
    expect(identity.value).toBeNull();
    await writeFile(path, '');
    const other = await watchSocket(path, systemClock, stopper().signal);
    expect(other.value).toBeNull();
    expect(identity.value).toBeNull();
  });

  it('is told by its events when it comes, goes and comes again', async () => {
    const path = join(await shortFolder(), 'kubelet.sock');
    const identity = await watchSocket(path, new ManualClock(), stopper().signal);
    await putSocket(path);
    await expect.poll(() => identity.value, patience).not.toBeNull();
    const first = identity.value;
    await rm(path);
    await expect.poll(() => identity.value, patience).toBeNull();
    await putSocket(path);
    await expect.poll(() => identity.value, patience).not.toBeNull();
    expect(identity.value).not.toBe(first);
  });

  it('has another identity each time it is made anew, also with the same inode', async ({ annotate }) => {
    const path = join(await shortFolder(), 'kubelet.sock');
    const seen: (string | null)[] = [];
    const inodes = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      await rm(path, { force: true });
      const server = await putSocket(path);
      inodes.add((await stat(path)).ino);
      const stop = new AbortController();
      seen.push((await watchSocket(path, systemClock, stop.signal)).value);
      stop.abort();
      // Only a socket that nobody holds open gives its inode back.
      server.close();
      await once(server, 'close');
    }
    expect(seen).not.toContain(null);
    expect(new Set(seen).size).toBe(20);
    await annotate(`20 sockets had ${inodes.size} inodes`);
  });

  it('is the same whatever happens to other files, and to the clock', async () => {
    const folder = await shortFolder();
    const path = join(folder, 'kubelet.sock');
    await putSocket(path);
    const clock = new ManualClock();
    const stop = stopper();
    const identity = await watchSocket(path, clock, stop.signal);
    const seen = record(identity, stop.signal);
    for (let round = 0; round < 5; round += 1) {
      await writeFile(join(folder, 'kubelet_internal_checkpoint'), String(round));
      await utimes(folder, new Date(), new Date());
      await putSocket(join(folder, `other-${round}.sock`));
      await clock.advance(1000);
    }
    expect(seen).toEqual([identity.value]);
  });
});

describe('the folder of a watched socket', () => {
  it('may be missing at first: it is looked for each second, then its events tell', async () => {
    const folder = join(await shortFolder(), 'device-plugins');
    const path = join(folder, 'kubelet.sock');
    const clock = new ManualClock();
    const identity = await watchSocket(path, clock, stopper().signal);
    await clock.advance(3000);
    expect(identity.value).toBeNull();
    await mkdir(folder);
    await clock.advance(1000);
    await putSocket(path);
    await expect.poll(() => identity.value, patience).not.toBeNull();
  });

  it('may be replaced: the new one is watched', async () => {
    const folder = join(await shortFolder(), 'device-plugins');
    const path = join(folder, 'kubelet.sock');
    await mkdir(folder);
    await putSocket(path);
    const clock = new ManualClock();
    const identity = await watchSocket(path, clock, stopper().signal);
    await rename(folder, `${folder}.old`);
    await mkdir(folder);
    await clock.advance(1000);
    expect(identity.value).toBeNull();
    await putSocket(path);
    await expect.poll(() => identity.value, patience).not.toBeNull();
  });
});

describe('the end of a watch', () => {
  it('leaves no timer and tells nothing more', async () => {
    const path = join(await shortFolder(), 'kubelet.sock');
    const clock = new ManualClock();
    const stop = stopper();
    const identity = await watchSocket(path, clock, stop.signal);
    expect(clock.sleeping).toBe(1);
    stop.abort('SIGTERM');
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
    await putSocket(path);
    await clock.advance(5000);
    expect(identity.value).toBeNull();
  });
});
