import { once } from 'node:events';
import { constants, statSync } from 'node:fs';
import { chmod, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { msToStep } from '../lib/in-step.ts';
import { onceEach } from '../lib/once-each.ts';
import { ownFolder } from '../lib/own-folder.ts';
import { StatusLines, type StatusLinesDeps } from './status-lines.ts';
import { findStatusSockets, newStatusSocket } from './status-socket.ts';

const maxConnections = 16;
/** How often it is looked whether the socket is still there. */
const lookEveryMs = 2000;
const retryMs = 30_000;
/** sun_path of unix(7), without its final zero. */
const maxPathBytes = 107;

/**
 * Answers `slicewise status` on a socket of its own in the folder, until the signal aborts. That it cannot is said once, and tried again:
 * nothing else depends on it.
 */
export async function serveStatus(folder: string, deps: StatusLinesDeps, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  const say = onceEach((reason) => {
    if (reason !== '')
      log.warn({ folder, reason }, 'slicewise status cannot be answered; GPUs are served all the same');
  });
  while (!signal.aborted) {
    const path = newStatusSocket(folder);
    try {
      const lines = new StatusLines(deps);
      await using server = await listen(folder, path, (socket) => void lines.answer(socket));
      // Before the server, whose end waits for its connections.
      using _ = lines;
      say('');
      await untilGone(path, server, clock, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      say(describeError(thrown));
      await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }
}

async function listen(folder: string, path: string, hear: (socket: Socket) => void): Promise<Server> {
  if (Buffer.byteLength(path) > maxPathBytes)
    throw new OperatorError(
      'socket-path-too-long',
      `The path of a status socket in ${folder} has more than ${maxPathBytes} bytes: a shorter --state-dir is needed`,
    );
  const server = createServer(hear);
  server.maxConnections = maxConnections;
  try {
    await ownFolder(dirname(folder));
    await ownFolder(folder);
    await closeToOthers(folder);
    for (const other of await findStatusSockets(folder))
      if (await isDead(other)) await rm(other, { force: true });
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, 0o600);
    return server;
  } catch (thrown) {
    server.close();
    throw new OperatorError('no-status-socket', `There can be no status socket in ${folder}`, {
      cause: thrown,
    });
  }
}

/** Root alone may enter the folder, which is not reached through a link. */
async function closeToOthers(folder: string): Promise<void> {
  await using opened = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  await opened.chmod(0o700);
}

/** Returns when the socket was removed, or on abort. */
async function untilGone(path: string, server: Server, clock: Clock, signal: AbortSignal): Promise<void> {
  server.on('error', () => undefined);
  while (!signal.aborted && statSync(path, { throwIfNoEntry: false }) !== undefined)
    await clock.sleep(msToStep(clock, lookEveryMs), signal).catch(() => undefined);
}

/** True for the socket of an agent that was killed: nobody listens on it. */
async function isDead(path: string): Promise<boolean> {
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    return false;
  } catch (thrown) {
    return systemErrorCode(thrown) === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
