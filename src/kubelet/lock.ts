import koffi from 'koffi';
import { closeSync, ftruncateSync, fstatSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** The right to serve on this node: at most one agent has it. Disposing gives it back. */
export interface ServingLock extends Disposable {
  /** The agent before this one ended without giving the lock back. */
  readonly predecessorCrashed: boolean;
  /** False when the lock's file was removed or replaced, so that another agent could take a lock of its own. */
  stillValid(): boolean;
}

/** Why the lock cannot be had yet, for a person. */
export interface LockWait {
  readonly kind: 'folder' | 'other-agent';
  readonly reason: string;
}

export interface LockDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Called once, with the reason, when the lock cannot be had at once. */
  readonly onWait: (wait: LockWait) => void;
  /** Resolves when it is worth while to try again; a blocking flock(2) could not be interrupted and would hold up the exit. */
  readonly untilFree: (signal: AbortSignal) => Promise<void>;
}

const lockName = 'slicewise.lock';
const folderRetryMs = 1000;

/** flock(2): `LOCK_EX | LOCK_NB`. */
const exclusiveWithoutWaiting = 2 | 4;

/**
 * Waits for the lock on a file in the kubelet's device-plugins folder; a kubelet that starts deletes only sockets there.
 * The descriptor is closed on exec, as Node opens every file, so no child keeps the lock.
 * A folder that is missing, not writable or none at all is waited for.
 */
export async function acquireServingLock(
  folder: string,
  deps: LockDeps,
  signal: AbortSignal,
): Promise<ServingLock> {
  const path = join(folder, lockName);
  const flock = loadFlock();
  let said = '';
  const sayOnce = (kind: LockWait['kind'], reason: string): void => {
    if (said === reason) return;
    said = reason;
    deps.log[kind === 'folder' ? 'warn' : 'info']({ lock: path }, reason);
    deps.onWait({ kind, reason });
  };
  let descriptor: number | null = null;
  try {
    for (;;) {
      throwIfAborted(signal);
      if (descriptor !== null && !isFileAt(descriptor, path)) {
        closeSync(descriptor);
        descriptor = null;
      }
      const opened: number | string = descriptor ?? openLockFile(path);
      if (typeof opened === 'string') {
        sayOnce('folder', `waiting for the kubelet's folder: ${opened}`);
        await deps.clock.sleep(folderRetryMs, signal);
        continue;
      }
      descriptor = opened;
      const refusal = flock(descriptor, exclusiveWithoutWaiting) === 0 ? null : koffi.errno();
      if (refusal === null && isFileAt(descriptor, path)) {
        const held = holdLock(descriptor, path);
        descriptor = null;
        return held;
      }
      if (refusal === null || refusal === constants.errno.EWOULDBLOCK || refusal === constants.errno.EINTR) {
        sayOnce('other-agent', 'standing by: another agent serves this node');
        await deps.untilFree(signal);
      } else {
        sayOnce(
          'folder',
          `waiting for a file system that can lock: flock on ${path} fails with errno ${refusal}`,
        );
        await deps.clock.sleep(folderRetryMs, signal);
      }
    }
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** The lock if it is free now, else `null`. */
export function tryServingLock(folder: string): ServingLock | null {
  const path = join(folder, lockName);
  const opened = openLockFile(path);
  if (typeof opened === 'string') return null;
  if (loadFlock()(opened, exclusiveWithoutWaiting) === 0 && isFileAt(opened, path)) {
    return holdLock(opened, path);
  }
  closeSync(opened);
  return null;
}

function holdLock(descriptor: number, path: string): ServingLock {
  const predecessorCrashed = readFileSync(path, 'utf8').length > 0;
  mark(descriptor, 'serving\n');
  return {
    predecessorCrashed,
    stillValid: () => isFileAt(descriptor, path),
    [Symbol.dispose]() {
      mark(descriptor, '');
      closeSync(descriptor);
    },
  };
}

/** The mark only tells a crash from an orderly end; a full disk must not keep the agent from serving. */
function mark(descriptor: number, text: string): void {
  try {
    ftruncateSync(descriptor);
    if (text !== '') writeSync(descriptor, text, 0);
  } catch {
    // The next agent then waits 50 ms without need, or not although it should.
  }
}

/** A descriptor, or what stands in the way. */
function openLockFile(path: string): number | string {
  try {
    return openSync(path, 'a+', 0o600);
  } catch (thrown) {
    return `${path} ${obstacles[systemErrorCode(thrown) ?? ''] ?? `cannot be opened: ${describeError(thrown)}`}`;
  }
}

const notWritable = 'cannot be written; the agent needs uid 0 and the folder mounted read-write';

/** What an error of open(2) means for the admin. */
const obstacles: Readonly<Record<string, string>> = {
  ENOENT: 'cannot be made, because its folder does not exist',
  ENOTDIR: 'cannot be made, because what should be its folder is a file',
  EACCES: notWritable,
  EPERM: notWritable,
  EROFS: notWritable,
};

function isFileAt(descriptor: number, path: string): boolean {
  try {
    const mine = fstatSync(descriptor);
    const there = statSync(path);
    return mine.ino === there.ino && mine.dev === there.dev;
  } catch {
    return false;
  }
}

type Flock = (descriptor: number, operation: number) => number;

/** The C library under its name with glibc, else whatever the process itself is linked with. */
function loadFlock(): Flock {
  for (const name of ['libc.so.6', null]) {
    try {
      return koffi.load(name).func('int flock(int fd, int operation)') as Flock;
    } catch {
      continue;
    }
  }
  throw new OperatorError('lock-failed', 'The C library has no flock(2): only Linux is supported');
}
