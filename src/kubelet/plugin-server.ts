import { Server, ServerCredentials } from '@grpc/grpc-js';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { OperatorError, toError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { ListEncoder } from './encode-list.ts';
import type { KubeletObserver, ResourceHandlers } from './handlers.ts';
import { pluginService } from './plugin-service.ts';
import { devicePluginService } from './wire.ts';

/**
 * A resource served on a socket of its own. Disposing ends the lists first, then waits for the kubelet to hang up, unless the
 * lists were ended before.
 */
export interface PluginServer extends AsyncDisposable {
  /** Resolves when the kubelet has opened ListAndWatch. */
  readonly listening: Promise<void>;
  /** Resolves with the reason when the kubelet's list stream has ended unasked. */
  readonly lost: Promise<string>;
  /** Has every call for a container answered by others from now on. */
  answerWith(others: Pick<ResourceHandlers, 'prefer' | 'allocate'>): void;
  /** Ends the lists. Calls are answered on, and new connections are accepted no more. */
  endLists(): void;
  /** True when every connection is closed by the other side, false when some are still open after `limitMs`. */
  hungUp(limitMs: number): Promise<boolean>;
}

/** How long a stopping server waits for the kubelet to close its connections. */
const hangUpMs = 500;
/** The kubelet opens one connection; more than a few are a fault or an attack. */
const maxConnections = 16;
/** An Allocate or GetPreferredAllocation request names every available id. */
const maxMessageBytes = 16 * 1024 * 1024;

/**
 * Serves the DevicePlugin API of one resource on a unix socket.
 *
 * The connections are accepted here and handed to the gRPC server, because the order of leaving matters: kubelets up to
 * 1.36 look a client up by resource name when its stream ends, and would cut off a successor that registered before they
 * did so. Only the kubelet's own hang-up shows that it is done.
 */
export async function servePlugin(
  handlers: ResourceHandlers,
  socketPath: string,
  deps: { readonly log: Log; readonly observer: KubeletObserver },
): Promise<PluginServer> {
  const stop = new AbortController();
  const listening = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<string>();
  const grpc = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
  });
  const events = {
    listening: listening.resolve,
    lost: () => lost.resolve('the kubelet has closed the device list'),
  };
  let deciding: Pick<ResourceHandlers, 'prefer' | 'allocate'> = handlers;
  const answering: ResourceHandlers = {
    resource: handlers.resource,
    kubeletChooses: handlers.kubeletChooses,
    list: handlers.list,
    prefer: (request) => deciding.prefer(request),
    allocate: (ids) => deciding.allocate(ids),
  };
  grpc.addService(serviceOfOneResource(), pluginService(answering, events, deps, stop.signal));
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());

  const sockets = new Set<Socket>();
  const acceptor = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', (error) => deps.log.debug({ err: error }, 'a connection broke'));
    injector.injectConnection(socket);
  });
  acceptor.maxConnections = maxConnections;
  try {
    acceptor.listen(socketPath);
    await once(acceptor, 'listening');
  } catch (thrown) {
    injector.destroy();
    grpc.forceShutdown();
    throw new OperatorError('listen-failed', `The agent's socket ${socketPath} cannot be made`, {
      cause: thrown,
    });
  }
  acceptor.on('error', (error) => lost.resolve(`the socket ${socketPath} failed: ${toError(error).message}`));

  const endLists = (): void => {
    acceptor.close();
    stop.abort();
  };
  return {
    listening: listening.promise,
    lost: lost.promise,
    answerWith: (others) => void (deciding = others),
    endLists,
    hungUp: (limitMs) => allClosed(sockets, limitMs),
    async [Symbol.asyncDispose]() {
      const endedBefore = stop.signal.aborted;
      endLists();
      if (!endedBefore) await allClosed(sockets, hangUpMs);
      injector.destroy();
      for (const socket of sockets) socket.destroy();
      grpc.forceShutdown();
    },
  };
}

/** Waits until every connection is closed by the other side, at most `limitMs`. */
async function allClosed(sockets: ReadonlySet<Socket>, limitMs: number): Promise<boolean> {
  // Not `once` of node:events, which fails when a connection breaks instead of being closed.
  const closing = [...sockets].map((socket) => new Promise((closed) => void socket.once('close', closed)));
  const limit = AbortSignal.timeout(limitMs);
  await Promise.race([Promise.all(closing), once(limit, 'abort')]);
  return sockets.size === 0;
}

/** The service with an encoder that knows the list before: a resource has a server of its own. */
function serviceOfOneResource(): typeof devicePluginService {
  const encoder = new ListEncoder();
  const { ListAndWatch } = devicePluginService;
  return {
    ...devicePluginService,
    ListAndWatch: { ...ListAndWatch, responseSerialize: (devices) => encoder.encode(devices) },
  };
}
