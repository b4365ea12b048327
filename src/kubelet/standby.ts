import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import { hearLines, say } from './succession-line.ts';
import { successionSocket } from './successors.ts';

/** How often the lock is tried while no line to its holder can be had. */
const tryEveryMs = 20;
/** The same with a line: its end tells sooner, but not that the lock's file was replaced. */
const lookEveryMs = 1000;

/** The line of an agent that stands by to the one that serves. */
export class Standby implements Disposable {
  readonly #path: string;
  readonly #clock: Clock;
  #socket: Socket | null = null;
  #ready: readonly string[] | null = null;
  #wake: () => void = () => undefined;

  constructor(folder: string, clock: Clock) {
    this.#path = join(folder, successionSocket);
    this.#clock = clock;
  }

  /** Says that these resources could be served now; said again to each new agent that serves. */
  ready(resources: readonly string[]): void {
    this.#ready = resources;
    if (this.#socket !== null) say(this.#socket, { word: 'ready', resources });
  }

  /** Says which resources are registered and on which sockets, to the agent that served before if it still listens. */
  serving(endpoints: ReadonlyMap<string, string>): void {
    if (this.#socket === null) return;
    for (const entry of endpoints) say(this.#socket, { word: 'at', resources: entry });
    say(this.#socket, { word: 'serving', resources: [...endpoints.keys()] });
  }

  /** Resolves when the lock may be free: its holder has said so, has ended, or cannot be asked. Rejects on abort. */
  async untilFree(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    this.#socket ??= await this.#connect();
    const pauseMs = this.#socket === null ? tryEveryMs : lookEveryMs;
    try {
      await this.#clock.sleep(pauseMs, AbortSignal.any([signal, woken.signal]));
    } catch (thrown) {
      if (signal.aborted || !isAbort(thrown)) throw thrown;
    }
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
  }

  async #connect(): Promise<Socket | null> {
    const socket = createConnection(this.#path);
    try {
      await once(socket, 'connect');
    } catch {
      return null;
    }
    if (this.#ready !== null) say(socket, { word: 'ready', resources: this.#ready });
    void hearLines(socket, ({ word }) => {
      if (word === 'take') this.#wake();
    }).then(() => {
      this.#socket = null;
      this.#wake();
    });
    return socket;
  }
}
