import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { throwIfAborted } from '../lib/abort.ts';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { createRouter, type HttpHandlers, type Router } from './routes.ts';

/** Where to listen: `host` null means every address of the machine, port 0 any free one. */
export interface HttpAddress {
  readonly host: string | null;
  readonly port: number;
}

/** A running server; disposing of it closes it and every connection at once. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

/** Bounds on what clients may take up: probes and scrapes are small and quick. */
const limits = {
  connections: 64,
  headerBytes: 8192,
  headersMs: 5000,
  requestMs: 10_000,
  /** A connection on which nothing moves for so long is cut, also while it is being answered. */
  silenceMs: 10_000,
} as const;

/**
 * Serves the agent's own state until the signal aborts or the server is disposed of: `/livez` and `/readyz` for the
 * kubelet's probes, `/metrics` for Prometheus, `/` for a person.
 * @throws OperatorError when the address cannot be had
 */
export async function serveHttp(
  options: { readonly address: HttpAddress },
  handlers: HttpHandlers,
  deps: { readonly log: Log },
  signal: AbortSignal,
): Promise<HttpServer> {
  throwIfAborted(signal);
  const router = createRouter(handlers, deps.log);
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => void answer(router, request, response),
  );
  server.maxConnections = limits.connections;
  server.timeout = limits.silenceMs;
  const { port } = await listen(server, options.address);
  server.on('error', (error) => deps.log.error({ error: error.message }, 'the HTTP server failed'));

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeServer(server));
  const onAbort = (): void => void close();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    port,
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', onAbort);
      await close();
    },
  };
}

/** Sends the router's answer and ends the connection with it, so that none lies idle. */
async function answer(router: Router, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, headers, body } = await router(request.method ?? '', request.url ?? '');
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    ...headers,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

async function listen(server: Server, { host, port }: HttpAddress): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, ...(host === null ? {} : { host }) }, resolve);
  try {
    await promise;
  } catch (error) {
    throw explainListenError(error, host, port);
  }
  server.off('error', reject);
  return server.address() as AddressInfo;
}

function explainListenError(error: unknown, host: string | null, port: number): OperatorError {
  const explanations: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there already; stop it, or choose another port with --http-address',
    EACCES: 'this user may not listen there; choose a port above 1023 with --http-address',
    EADDRNOTAVAIL: 'this machine has no such address; name one of its own with --http-address',
    ENOTFOUND: 'the name is not known here; name an address of this machine with --http-address',
  };
  const explanation =
    explanations[systemErrorCode(error) ?? ''] ?? `${describeError(error)}; see --http-address`;
  const where = host === null ? `port ${port}` : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new OperatorError('http-address', `Cannot serve HTTP on ${where}: ${explanation}`, { cause: error });
}

function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}
