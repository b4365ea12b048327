import { statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import { msToStep } from '../lib/in-step.ts';
import { Latest } from '../lib/latest.ts';

/**
 * Which socket lies at a path. A kubelet that restarts makes a new one; device and inode alone do not tell it from the
 * old one, because a file system may hand out the same inode at once, so the change time counts as well.
 */
export type SocketIdentity = string;

/** How often the path is looked at although no file event came. */
const pollMs = 1000;
/** The same where there are no file events: a kubelet that waits a second for its plugins fails pods. */
const pollWithoutEventsMs = 50;

/**
 * Watches one path for a socket: by file events of its folder, and by looking each second in case the folder itself is
 * missing, replaced, or on a file system without events. `null` while there is no socket. The first look is done when
 * this returns; looking is synchronous, so that two looks cannot overtake each other.
 */
export async function watchSocket(
  path: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Latest<SocketIdentity | null>> {
  const identity = new Latest<SocketIdentity | null>(null);
  const firstLook = Promise.withResolvers<void>();
  const look = (): void => {
    const found = socketIdentity(path);
    if (found !== identity.value && !signal.aborted) identity.set(found);
    firstLook.resolve();
  };
  followFolder(dirname(path), basename(path), look, clock, signal).catch(firstLook.reject);
  await firstLook.promise;
  return identity;
}

/** The socket at the path now; `null` where there is none. */
export function socketIdentity(path: string): SocketIdentity | null {
  const found = statOrNull(path);
  return found?.isSocket() === true ? `${found.dev}:${found.ino}:${found.ctimeNs}` : null;
}

function statOrNull(path: string): (ReturnType<typeof statSync> & { readonly ctimeNs: bigint }) | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}

/** Looks once, then at each event that names the file, then at each poll; the watcher follows the folder's inode. */
async function followFolder(
  folder: string,
  name: string,
  look: () => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let watcher: FSWatcher | null = null;
  let watchedInode: bigint | number | null = null;
  try {
    do {
      const inode = statOrNull(folder)?.ino ?? null;
      if (inode !== watchedInode) {
        watcher?.close();
        watcher = inode === null ? null : openWatcher(folder, name, look);
        watchedInode = watcher === null ? null : inode;
      }
      look();
      const pauseMs = watcher === null && inode !== null ? pollWithoutEventsMs : msToStep(clock, pollMs);
      await clock.sleep(pauseMs, signal);
    } while (!signal.aborted);
  } catch (thrown) {
    if (!isAbort(thrown)) throw thrown;
  } finally {
    watcher?.close();
  }
}

/** `null` where the folder cannot be watched: the poll still sees every change. */
function openWatcher(folder: string, name: string, look: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, (_event, changed) => {
      if (changed === null || changed === name) look();
    });
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
