import { dirname, join } from 'node:path';
import type { KubeletObserver, ResourceHandlers } from '../../kubelet/handlers.ts';
import { endForAllToSee, prepareToLeave } from '../../kubelet/leave-kubelet.ts';
import { tryServingLock } from '../../kubelet/lock.ts';
import { passCalls } from '../../kubelet/pass-calls.ts';
import type { PluginServer } from '../../kubelet/plugin-server.ts';
import type { Successor, Successors } from '../../kubelet/successors.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

export interface HandOverDeps {
  readonly kubeletSocket: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: KubeletObserver;
}

/** A kubelet that does not answer within this time is left in the ordinary way. */
const prepareWithinMs = 500;
/** How long an agent that was told to end answers for one that takes its place and is slow to register. */
const succeedWithinMs = 3000;
/** A call may be on its way to us at the moment when the kubelet turns to the successor. */
const lastCallsMs = 50;
/** A busy kubelet sends such a call late. Where the successor has not said where it answers, nobody could decide it then. */
const lateCallsMs = 1000;
const endWithinMs = 500;

interface PassedOn extends Disposable {
  /** True when the successor has said of each resource where it answers. */
  byAll(): boolean;
  /** Resolves when no call that was passed on is open. */
  settled(): Promise<void>;
}

/**
 * The end of an agent that has a successor: the kubelet finds somebody who answers at every moment. Each session passes its
 * server on, which answers for now; then the lock is freed, the successor registers, and only then the servers are closed.
 */
export class HandOver {
  readonly #successors: Successors;
  readonly #deps: HandOverDeps;
  readonly #stopping: AbortSignal;
  readonly #passedOn: { readonly servers: readonly PluginServer[]; readonly handlers: ResourceHandlers }[] =
    [];
  #successor: Successor | null = null;

  /** @param stopping aborts when this agent is told to end; a session that ends for another reason keeps its server */
  constructor(successors: Successors, deps: HandOverDeps, stopping: AbortSignal) {
    this.#successors = successors;
    this.#deps = deps;
    this.#stopping = stopping;
  }

  /** Takes a server over if the successor is ready for its resource and the kubelet can be prepared for the change. */
  async take(server: PluginServer, handlers: ResourceHandlers): Promise<boolean> {
    // Two agents must not decide at once; where the kubelet does, either may answer.
    if (!this.#stopping.aborted || !handlers.kubeletChooses) return false;
    this.#successor ??= this.#successors.ready;
    if (this.#successor?.resources.includes(handlers.resource) !== true) return false;
    const limit = AbortSignal.timeout(prepareWithinMs);
    const servers = await prepareToLeave(server, handlers, this.#paths, this.#deps, limit);
    if (servers === null) return false;
    this.#passedOn.push({ servers, handlers });
    return true;
  }

  /** Returns when the successor has registered and the servers that were passed on are closed. The lock has to be free. */
  async complete(): Promise<void> {
    if (this.#successor === null || this.#passedOn.length === 0) return;
    const resources = this.#passedOn.map(({ handlers }) => handlers.resource);
    using passed = this.#passCalls(this.#successor);
    this.#successor.tell();
    const done = await this.#successor.untilServing(resources, AbortSignal.timeout(succeedWithinMs));
    if (done) this.#deps.log.info({ resources }, 'handed over: another agent is registered');
    else await this.#endAll();
    await this.#deps.clock.sleep(done && passed.byAll() ? lateCallsMs : lastCallsMs);
    await passed.settled();
    await Promise.all(
      this.#passedOn.flatMap(({ servers }) => servers.map((server) => server[Symbol.asyncDispose]())),
    );
  }

  /** Each resource that the successor serves is its to decide from then on, also where the kubelet still asks us. */
  #passCalls(successor: Successor): PassedOn {
    const all = new DisposableStack();
    const calls = this.#passedOn.map(({ servers, handlers }) => {
      const path = (): string | null => {
        const endpoint = successor.endpointOf(handlers.resource);
        return endpoint === null ? null : join(this.#paths.folder, endpoint);
      };
      const passed = all.use(passCalls(handlers, path));
      for (const server of servers) server.answerWith(passed);
      return { path, passed };
    });
    return {
      byAll: () => calls.every(({ path }) => path() !== null),
      async settled() {
        await Promise.all(calls.map(({ passed }) => passed.settled()));
      },
      [Symbol.dispose]: () => all.dispose(),
    };
  }

  get #paths(): { readonly folder: string; readonly socket: string } {
    const { kubeletSocket } = this.#deps;
    return { folder: dirname(kubeletSocket), socket: kubeletSocket };
  }

  /** The kubelet believes in devices that nobody serves; unless another agent is about to, it has to be told. */
  async #endAll(): Promise<void> {
    const { log } = this.#deps;
    using lock = tryServingLock(this.#paths.folder);
    log.warn(
      `the agent that should take over has not registered${lock === null ? ' yet' : ' and has ended'}`,
    );
    if (lock === null) return;
    const limit = AbortSignal.timeout(endWithinMs);
    await Promise.all(
      this.#passedOn.map(({ handlers }) => endForAllToSee(this.#paths, handlers, this.#deps, limit)),
    ).catch((thrown: unknown) => log.warn(`the kubelet could not be told: ${describeError(thrown)}`));
  }
}
