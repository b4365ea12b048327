import type { Clock } from '../../lib/clock.ts';
import { toError } from '../../lib/errors.ts';
import type { PluginOptions } from '../../kubelet/contract.ts';
import type { EventLog } from './kubelet-events.ts';
import type { KubeletFaults } from './kubelet-faults.ts';
import type { Habits } from './kubelet-habits.ts';
import { PluginClient, type ReceivedList } from './plugin-client.ts';

/** Told about the plugins that come, speak and go. */
export interface PluginHandler {
  connected(client: PluginClient, options: PluginOptions): void;
  listed(client: PluginClient, list: ReceivedList): Promise<void>;
  disconnected(client: PluginClient): void;
}

interface RegistryDeps {
  readonly clock: Clock;
  readonly habits: Habits;
  readonly faults: KubeletFaults;
  readonly events: EventLog;
  readonly handler: PluginHandler;
}

/**
 * The kubelet's clients by resource name, with what goes wrong there: up to 1.36 one client a name, and the end of any
 * stream of the name disconnects whichever client holds it (pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go).
 */
export class PluginRegistry implements AsyncDisposable {
  readonly #deps: RegistryDeps;
  readonly #clients = new Map<string, readonly PluginClient[]>();
  /** Every client with a stream, also those that a newer one has pushed out of the map. */
  readonly #running = new Map<PluginClient, Promise<void>>();
  #closed = false;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
  }

  /**
   * Dials the socket, asks for the options and starts to read lists, as the kubelet does within the Register call.
   * Throws what Register is to answer; the caller's signal is the end of that call.
   */
  async connect(resource: string, socketPath: string, signal: AbortSignal): Promise<void> {
    const { clock, events, faults, habits, handler } = this.#deps;
    const client = new PluginClient(resource, socketPath);
    const replacesLive = [...this.#running.keys()].some((other) => other.resource === resource);
    const close = (): void => client.close();
    signal.addEventListener('abort', close);
    this.#register(client);
    try {
      if (faults.dialBackDelayMs > 0) await clock.sleep(faults.dialBackDelayMs, signal);
      signal.throwIfAborted();
      await client.dial(habits.dialTimeoutMs);
      const options = await client.getOptions().catch((error: unknown) => {
        throw new Error(`failed to get device plugin options: ${toError(error).message}`, { cause: error });
      });
      handler.connected(client, options);
      events.add({ kind: 'registered', resource, endpoint: client.endpoint, options, replacesLive });
    } catch (error) {
      this.#deregister(client);
      client.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', close);
    }
    if (this.#closed) client.close();
    else this.#running.set(client, this.#run(client));
  }

  /** The client that holds the name now. */
  current(resource: string): PluginClient | undefined {
    return this.#clients.get(resource)?.at(-1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const client of [...this.#running.keys(), ...[...this.#clients.values()].flat()]) client.close();
    await Promise.all(this.#running.values());
  }

  async #run(client: PluginClient): Promise<void> {
    let ending = '';
    try {
      for await (const list of client.lists())
        if (!this.#closed) await this.#deps.handler.listed(client, list);
    } catch (error) {
      ending = toError(error).message;
    }
    this.#running.delete(client);
    if (this.#closed) return;
    const { resource, endpoint } = client;
    const { clock, events, habits } = this.#deps;
    events.add({ kind: 'stream-ended', resource, endpoint, error: ending });
    if (habits.disconnectDelayMs > 0) await clock.sleep(habits.disconnectDelayMs);
    if (this.#closed) return;
    const holder = this.#holderAtEndOf(client);
    if (holder === undefined) return;
    this.#deregister(holder);
    holder.close();
    this.#deps.handler.disconnected(holder);
    events.add({ kind: 'disconnected', resource, endpoint: holder.endpoint });
  }

  #register(client: PluginClient): void {
    const others = this.#deps.habits.disconnectByName ? [] : (this.#clients.get(client.resource) ?? []);
    this.#clients.set(client.resource, [...others, client]);
  }

  #deregister(client: PluginClient): void {
    const others = this.#deps.habits.disconnectByName
      ? []
      : (this.#clients.get(client.resource) ?? []).filter((other) => other.socketPath !== client.socketPath);
    if (others.length === 0) this.#clients.delete(client.resource);
    else this.#clients.set(client.resource, others);
  }

  #holderAtEndOf(ended: PluginClient): PluginClient | undefined {
    if (this.#deps.habits.disconnectByName) return this.current(ended.resource);
    return this.#clients.get(ended.resource)?.find((client) => client.socketPath === ended.socketPath);
  }
}
