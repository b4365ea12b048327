import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { orAborted } from '../lib/abort.ts';
import { describeError, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { shortName } from '../resources/resource-name.ts';
import type { KubeletObserver, ResourceHandlers } from './handlers.ts';
import { newSocketName } from './own-sockets.ts';
import { type PluginServer, servePlugin } from './plugin-server.ts';
import { register } from './registration.ts';
import { devicePluginService } from './wire.ts';

/** Where a kubelet listens and where its plugins' sockets lie. */
export interface KubeletPaths {
  readonly folder: string;
  readonly socket: string;
}

interface LeaveDeps {
  readonly log: Log;
  readonly observer: KubeletObserver;
}

/** A kubelet from 1.37 on hangs up on a plugin whose list has ended; it does so at once. */
const hangsUpWithinMs = 100;
/** An older one looks for somebody to disconnect then, and shows nothing when it finds nobody; this is ample. */
const noticesWithinMs = 250;

/**
 * Prepares the kubelet for the end of a plugin whose successor has not registered yet, so that it gives out devices all the while.
 *
 * Up to 1.36 a kubelet disconnects whoever holds the resource's name when a list ends, and from 1.37 on the plugin of that list. So
 * the first must forget the name, and all lists end before the successor comes; with the second a list has to stay until then.
 * Which one it is shows a second registration of ours, which the kubelet calls from then on, and the end of the first one's
 * list: the newer kubelet hangs up, the older one does not notice.
 * @returns the servers that have to answer until the successor is registered, whichever the kubelet calls; `null` when the kubelet
 * did not do as expected
 */
export async function prepareToLeave(
  server: PluginServer,
  handlers: ResourceHandlers,
  kubelet: KubeletPaths,
  deps: LeaveDeps,
  signal: AbortSignal,
): Promise<readonly PluginServer[] | null> {
  await using held = new AsyncDisposableStack();
  try {
    const second = held.use(await registerAgain(kubelet, handlers, deps, signal));
    if (!(await makeKubeletForget(kubelet, handlers, signal))) return null;
    server.endLists();
    if (!(await server.hungUp(hangsUpWithinMs))) {
      second.endLists();
      await second.hungUp(noticesWithinMs);
    }
    held.move();
    return [server, second];
  } catch (thrown) {
    deps.log.warn(
      { resource: handlers.resource },
      `the kubelet could not be prepared for the change of the agent: ${describeError(thrown)}`,
    );
    return null;
  }
}

/**
 * Registers a resource once more and ends at once, so that the kubelet sees the end and gives nothing out any more: for a
 * resource that a successor should have registered and did not.
 * @throws OperatorError when the kubelet refuses or does not answer
 */
export async function endForAllToSee(
  kubelet: KubeletPaths,
  handlers: ResourceHandlers,
  deps: LeaveDeps,
  signal: AbortSignal,
): Promise<void> {
  await using _ = await registerAgain(kubelet, handlers, deps, signal);
}

async function registerAgain(
  kubelet: KubeletPaths,
  handlers: ResourceHandlers,
  deps: LeaveDeps,
  signal: AbortSignal,
): Promise<PluginServer> {
  const path = join(kubelet.folder, newSocketName(shortName(handlers.resource)));
  await using held = new AsyncDisposableStack();
  const server = held.use(await servePlugin(handlers, path, deps));
  await register(kubelet.socket, handlers, basename(path), signal);
  await orAborted(server.listening, signal);
  held.move();
  return server;
}

/** Stands in the kubelet's log, once for each change of the agent. */
const farewell = 'this agent leaves, the next one registers in a moment';

/**
 * Makes a kubelet up to 1.36 forget who serves a resource, while it goes on to call the plugin that it knows. It is a registration
 * that fails: the kubelet notes the new client under the resource's name, asks it for its options, and on an error drops the
 * name, but not the endpoint in force (connectClient in pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go). From 1.37
 * on it drops the failed client alone.
 * @returns false when the kubelet did not answer with our words
 */
async function makeKubeletForget(
  kubelet: KubeletPaths,
  handlers: ResourceHandlers,
  signal: AbortSignal,
): Promise<boolean> {
  const path = join(kubelet.folder, newSocketName(shortName(handlers.resource)));
  const server = new Server();
  server.addService(devicePluginService, {
    GetDevicePluginOptions: (_call: unknown, answer: (error: object) => void) =>
      answer({ code: status.UNAVAILABLE, details: farewell }),
  });
  try {
    await promisify(server.bindAsync.bind(server))(`unix:${path}`, ServerCredentials.createInsecure());
    await register(kubelet.socket, handlers, basename(path), signal);
    return false;
  } catch (thrown) {
    if (thrown instanceof OperatorError && thrown.message.includes(farewell)) return true;
    throw thrown;
  } finally {
    server.forceShutdown();
  }
}
