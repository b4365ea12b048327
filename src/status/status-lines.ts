import type { Socket } from 'node:net';
import type { NodeStatus } from '../allocation/status/node-status.ts';
import type { Clock } from '../lib/clock.ts';
import { toError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { maxRequestLength, requests, type StatusRefusal, type StatusRequest } from './status-socket.ts';

export interface StatusLinesDeps {
  /** The status as it is now, from memory. */
  readonly status: () => NodeStatus;
  readonly clock: Clock;
  readonly log: Log;
}

const maxWatchers = 8;
/** How long a client may take to say what it wants, and to take the answer. */
const silenceMs = 5000;
const lookEveryMs = 500;

/** The connections of those who ask for the status. Disposing ends them. */
export class StatusLines implements Disposable {
  readonly #deps: StatusLinesDeps;
  readonly #scope = new AbortController();
  readonly #sockets = new Set<Socket>();
  #watchers = 0;

  constructor(deps: StatusLinesDeps) {
    this.#deps = deps;
  }

  /** Answers one client until it, or this, has ended; never rejects: whatever is wrong here, the kubelet is served. */
  async answer(socket: Socket): Promise<void> {
    try {
      await this.#answer(socket);
    } catch (thrown) {
      this.#deps.log.error({ err: toError(thrown) }, 'slicewise status could not be answered');
      socket.destroy();
    }
  }

  async #answer(socket: Socket): Promise<void> {
    socket.on('error', () => undefined);
    if (this.#scope.signal.aborted) return void socket.destroy();
    this.#sockets.add(socket);
    const gone = new AbortController();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      gone.abort();
    });
    const request = await hearRequest(socket);
    if (request === null) return void socket.end(line({ error: `the requests are: ${requests.join(', ')}` }));
    if (request === 'status') return void socket.end(line(this.#deps.status()));
    if (this.#watchers >= maxWatchers)
      return void socket.end(line({ error: `${maxWatchers} clients are watching already` }));
    socket.setTimeout(0);
    this.#watchers += 1;
    try {
      await this.#watch(socket, AbortSignal.any([gone.signal, this.#scope.signal]));
    } finally {
      this.#watchers -= 1;
    }
    socket.end();
  }

  /** Tells every change until the signal aborts, or this agent has another part on the node: then another one may know better. */
  async #watch(socket: Socket, signal: AbortSignal): Promise<void> {
    const { status, clock } = this.#deps;
    let told: string | null = null;
    const { role } = status().agent;
    while (!signal.aborted) {
      const now = status();
      if (now.agent.role !== role) return;
      const seen = whatMatters(now);
      // A client that is slow to read gets the newest once it has read the last.
      if (seen !== told && !socket.writableNeedDrain) {
        socket.write(line(now));
        told = seen;
      }
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  [Symbol.dispose](): void {
    this.#scope.abort();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** What the client wants; `null` for what is no request, or none in time. */
async function hearRequest(socket: Socket): Promise<StatusRequest | null> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(silenceMs, () => socket.destroy());
  socket.on('close', () => resolve(''));
  socket.on('data', (part: string) => {
    if (text.length > maxRequestLength) return;
    text += part.slice(0, maxRequestLength + 1);
    const end = text.indexOf('\n');
    if (end >= 0) resolve(text.slice(0, end));
    else if (text.length > maxRequestLength) resolve('');
  });
  const word = await promise;
  return requests.find((each) => each === word) ?? null;
}

function line(value: NodeStatus | StatusRefusal): string {
  return `${JSON.stringify(value)}\n`;
}

/** A status as text, without what time alone changes. */
function whatMatters(status: NodeStatus): string {
  return JSON.stringify({ ...status, inventory: { ...status.inventory, ageSeconds: null } });
}
