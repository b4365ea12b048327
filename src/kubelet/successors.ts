import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { orAborted } from '../lib/abort.ts';
import { describeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { isOwnSocketName } from './own-sockets.ts';
import { hearLines, say } from './succession-line.ts';

/** The socket in the device-plugins folder on which the agent that serves hears those that stand by. */
export const successionSocket = 'slicewise.next';

/** An agent that stands by and has said what it could serve. */
export interface Successor {
  readonly resources: readonly string[];
  /** Tells it that the lock is free. */
  tell(): void;
  /** File name of the socket on which it answers for a resource, once it serves it; `null` when it has not said so. */
  endpointOf(resource: string): string | null;
  /** True when it is registered for all these resources; false when it has ended before, or on abort. */
  untilServing(resources: readonly string[], signal: AbortSignal): Promise<boolean>;
}

interface Line {
  readonly socket: Socket;
  ready: readonly string[] | null;
  serving: ReadonlySet<string>;
  readonly endpoints: Map<string, string>;
  readonly sleepers: Set<() => void>;
}

const standsReady = 'another agent stands by and is ready to take over';
/** Few agents ever run on a node at once. */
const maxLines = 8;
/** A node has few resources; more than these are a fault. */
const maxEndpoints = 1000;

/**
 * The agents that stand by while this one serves. They are woken at once when it ends, however it ends, because the kernel
 * closes its connections. Only the holder of the serving lock may listen.
 */
export class Successors implements Disposable {
  readonly #path: string;
  readonly #log: Log;
  readonly #lines = new Set<Line>();
  #server: Server | null = null;

  constructor(folder: string, log: Log) {
    this.#path = join(folder, successionSocket);
    this.#log = log;
  }

  /** Listens, also anew when the socket has gone, as after the start of a kubelet. Without it successors poll the lock. */
  async keepListening(): Promise<void> {
    if (this.#server !== null && statSync(this.#path, { throwIfNoEntry: false }) !== undefined) return;
    this.stopListening();
    const server = createServer((socket) => void this.#hear(socket));
    server.maxConnections = maxLines;
    try {
      // What an agent that crashed has left.
      rmSync(this.#path, { force: true });
      server.listen(this.#path);
      await once(server, 'listening');
      server.on('error', () => undefined);
      this.#server = server;
    } catch (thrown) {
      this.#log.debug(`agents that stand by have to poll: ${describeError(thrown)}`);
    }
  }

  /** The path is free for the next one after this; the lines stay open. */
  stopListening(): void {
    this.#server?.close();
    this.#server = null;
  }

  /** The first that said that it is ready; `null` when none did. */
  get ready(): Successor | null {
    for (const line of this.#lines) {
      if (line.ready !== null)
        return {
          resources: line.ready,
          tell: () => say(line.socket, { word: 'take', resources: [] }),
          endpointOf: (resource) => line.endpoints.get(resource) ?? null,
          untilServing: (resources, signal) => this.#untilServing(line, resources, signal),
        };
    }
    return null;
  }

  [Symbol.dispose](): void {
    this.stopListening();
    for (const { socket } of this.#lines) socket.destroy();
  }

  async #hear(socket: Socket): Promise<void> {
    const line: Line = { socket, ready: null, serving: new Set(), endpoints: new Map(), sleepers: new Set() };
    this.#lines.add(line);
    const wake = (): void => {
      for (const sleeper of line.sleepers) sleeper();
    };
    await hearLines(socket, ({ word, resources }) => {
      if (word === 'ready') {
        if (line.ready === null) this.#log.info({ resources }, standsReady);
        line.ready = resources;
      }
      if (word === 'at') noteEndpoint(line, resources);
      if (word === 'serving') line.serving = new Set(resources);
      wake();
    });
    this.#lines.delete(line);
    wake();
  }

  async #untilServing(line: Line, resources: readonly string[], signal: AbortSignal): Promise<boolean> {
    while (!resources.every((resource) => line.serving.has(resource))) {
      if (!this.#lines.has(line)) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      line.sleepers.add(resolve);
      const aborted = await orAborted(promise, signal).then(
        () => false,
        () => true,
      );
      line.sleepers.delete(resolve);
      if (aborted) return false;
    }
    return true;
  }
}

/** What is no name of an agent's own socket leads nowhere. */
function noteEndpoint({ endpoints }: Line, [resource = '', endpoint = '']: readonly string[]): void {
  if (isOwnSocketName(endpoint) && endpoints.size < maxEndpoints) endpoints.set(resource, endpoint);
}
