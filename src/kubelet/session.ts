import { basename, join } from 'node:path';
import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { shortName } from '../resources/resource-name.ts';
import type { KubeletObserver, ResourceHandlers } from './handlers.ts';
import { newSocketName } from './own-sockets.ts';
import { type PluginServer, servePlugin } from './plugin-server.ts';
import { register } from './registration.ts';
import { watchSocket } from './socket-watch.ts';

/** A kubelet opens the device list right after it has answered Register. */
const listenWithinMs = 5000;

export interface SessionDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly observer: KubeletObserver;
  /**
   * Asked when a session is told to stop: true when the server was taken over, to answer until another agent has registered the
   * resource.
   */
  readonly passOn: PassOn;
}

export type PassOn = (server: PluginServer, handlers: ResourceHandlers) => Promise<boolean>;

/**
 * One registration of one resource with one kubelet, from listening to the end of the device list.
 *
 * Ends with the reason when the own socket is gone or the kubelet has closed the list; ends quietly when the signal
 * aborts. It never registers twice.
 * @throws OperatorError when the kubelet refuses or does not answer
 */
export async function runSession(
  handlers: ResourceHandlers,
  kubelet: { readonly folder: string; readonly socket: string },
  deps: SessionDeps,
  signal: AbortSignal,
): Promise<{ readonly reason: string }> {
  const { resource } = handlers;
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const socketPath = join(kubelet.folder, newSocketName(shortName(resource)));
  await using held = new AsyncDisposableStack();
  const server = held.use(await servePlugin(handlers, socketPath, deps));
  try {
    await register(kubelet.socket, handlers, basename(socketPath), until);
    deps.observer.registration(resource, 'accepted');
    const late = deps.clock.sleep(listenWithinMs, until).then(() => true);
    const listening = server.listening.then(() => false);
    if (await firstOf([listening, late])) {
      return { reason: 'the kubelet accepted the registration and did not ask for the devices' };
    }
    deps.observer.connected(resource, basename(socketPath));
    deps.log.info(
      { resource, endpoint: basename(socketPath) },
      'registered: the kubelet listens to the device list',
    );
    const reason = await firstOf([
      server.lost,
      ownSocketGone(socketPath, deps.clock, until),
      untilAborted(until).then(() => 'stopped'),
    ]);
    if (until.aborted && (await deps.passOn(server, handlers))) held.move();
    return { reason };
  } finally {
    deps.observer.connected(resource, null);
    scope.abort();
  }
}

/** Resolves when the socket's file has gone, as when a kubelet clears its folder at start, and on the abort of the signal. */
async function ownSocketGone(path: string, clock: Clock, signal: AbortSignal): Promise<string> {
  const identity = await watchSocket(path, clock, signal);
  for await (const found of identity.values(signal)) if (found === null) return 'its own socket was removed';
  return 'stopped';
}

/** The first to settle; the others may fail later without anybody listening. */
async function firstOf<T>(waits: readonly Promise<T>[]): Promise<T> {
  for (const wait of waits) wait.catch(() => undefined);
  return Promise.race(waits);
}
