import { toError } from '../../lib/errors.ts';
import type { AllocateAnswer, PreferenceRequest } from '../../kubelet/contract.ts';
import type { Endpoint, Flight } from './device-books.ts';
import type { ContainerCall, EventLog, KubeletHappening } from './kubelet-events.ts';
import type { PluginClient } from './plugin-client.ts';

type Target = Pick<Flight, 'pod' | 'container' | 'resource'>;

/** The calls about one container that the device manager makes to a plugin, each noted in the event log. */
export class PluginCalls {
  readonly #events: EventLog;
  #open = 0;

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** Allocate and GetPreferredAllocation calls without an answer yet. */
  get open(): number {
    return this.#open;
  }

  /** The ids that the plugin prefers; null when it does not offer to say. Throws the kubelet's text. */
  async prefer(
    target: Target,
    endpoint: Endpoint | undefined,
    request: PreferenceRequest,
  ): Promise<readonly string[] | null> {
    const { options } = known(endpoint, target.resource);
    if (!options.preferredAllocationAvailable) return null;
    const about = { available: request.availableIds.length, size: request.size };
    try {
      return await this.#timed(
        target,
        () => this.#counted(() => live(endpoint, target.resource).getPreferred(request)),
        (call, ids) => ({ kind: 'preferred', ...call, ids: ids ?? [], ...about }),
      );
    } catch (error) {
      throw new Error(`device plugin GetPreferredAllocation rpc failed with err: ${toError(error).message}`, {
        cause: error,
      });
    }
  }

  /** The answer for exactly one container. Throws the plugin's text. */
  allocate(target: Target, endpoint: Endpoint, ids: readonly string[]): Promise<AllocateAnswer> {
    return this.#timed(
      target,
      () => this.#counted(() => live(endpoint, target.resource).allocate(ids)),
      (call) => ({ kind: 'allocated', ...call, ids }),
    );
  }

  /** PreStartContainer, where the plugin asks for it; `ids` is null for a container without an entry. */
  async preStart(
    target: Target,
    endpoint: Endpoint | undefined,
    ids: readonly string[] | null,
  ): Promise<void> {
    if (!known(endpoint, target.resource).options.preStartRequired) return;
    if (ids === null)
      throw new Error(
        `no devices found allocated in local cache for pod ${target.pod}, container ${target.container}, resource ${target.resource}`,
      );
    try {
      await this.#timed(
        target,
        () => live(endpoint, target.resource).preStart(ids),
        (call) => ({ kind: 'pre-start', ...call, ids }),
      );
    } catch (error) {
      throw new Error(`device plugin PreStartContainer rpc failed with err: ${toError(error).message}`, {
        cause: error,
      });
    }
  }

  async #counted<T>(call: () => Promise<T>): Promise<T> {
    this.#open += 1;
    try {
      return await call();
    } finally {
      this.#open -= 1;
    }
  }

  async #timed<T>(
    { pod, container, resource }: Target,
    call: () => Promise<T>,
    describe: (call: Omit<ContainerCall, 'ids'>, answer: T | undefined) => KubeletHappening,
  ): Promise<T> {
    const startedAt = performance.now();
    const facts = (error: string): Omit<ContainerCall, 'ids'> => ({
      pod,
      container,
      resource,
      durationMs: performance.now() - startedAt,
      error,
    });
    try {
      const answer = await call();
      this.#events.add(describe(facts(''), answer));
      return answer;
    } catch (error) {
      this.#events.add(describe(facts(toError(error).message), undefined));
      throw error;
    }
  }
}

function known(endpoint: Endpoint | undefined, resource: string): Endpoint {
  if (endpoint === undefined)
    throw new Error(`endpoint not found in cache for a registered resource: ${resource}`);
  return endpoint;
}

function live(endpoint: Endpoint | undefined, resource: string): PluginClient {
  const { client, stoppedAt } = known(endpoint, resource);
  if (client === null || stoppedAt !== null) throw new Error(`endpoint of ${resource} has been stopped`);
  return client;
}
