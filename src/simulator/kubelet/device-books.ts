import type { ListedDevice, PluginOptions } from '../../kubelet/contract.ts';
import type { CheckpointContent } from './checkpoint-file.ts';
import type { PluginClient } from './plugin-client.ts';
import { PodEntries } from './pod-entries.ts';

/** A plugin as the device manager sees it; without a client for a resource known from the checkpoint alone. */
export interface Endpoint {
  readonly client: PluginClient | null;
  readonly options: PluginOptions;
  /** When it was disconnected, by the kubelet's clock; null while it lives. */
  stoppedAt: number | null;
}

/** Ids chosen for a container whose Allocate has not been recorded yet. */
export interface Flight {
  readonly pod: string;
  readonly container: string;
  readonly resource: string;
  readonly ids: Set<string>;
}

/** Devices of one resource, as the node status shows them. */
export interface ResourceStatus {
  readonly capacity: number;
  readonly allocatable: number;
}

/**
 * What the device manager has in memory, and the rules that change it at one stroke. The real one's counterpart is
 * ManagerImpl (pkg/kubelet/cm/devicemanager/manager.go); everything here happens under its mutex.
 */
export class DeviceBooks {
  /** The newest list of each resource; it outlives the plugin. */
  readonly listed = new Map<string, ReadonlyMap<string, ListedDevice>>();
  readonly healthy = new Map<string, ReadonlySet<string>>();
  readonly unhealthy = new Map<string, ReadonlySet<string>>();
  readonly endpoints = new Map<string, Endpoint>();
  readonly entries = new PodEntries();
  readonly flights = new Set<Flight>();
  /** The connected plugins of a resource, the newest last; up to 1.36 there is only ever one. */
  readonly #connected = new Map<string, readonly (Endpoint & { readonly client: PluginClient })[]>();
  readonly #disconnectByName: boolean;
  #allocated = new Map<string, Set<string>>();

  /** @param disconnectByName the habit of kubelets up to 1.36 */
  constructor(disconnectByName: boolean) {
    this.#disconnectByName = disconnectByName;
  }

  /** Takes over a checkpoint: every resource known, no device healthy, every plugin stopped now. */
  load(content: CheckpointContent, now: number): void {
    for (const entry of content.entries) this.entries.set(entry);
    this.restoreAllocated();
    for (const resource of content.healthyIds.keys()) {
      this.healthy.set(resource, new Set());
      this.unhealthy.set(resource, new Set());
      const options = { preStartRequired: false, preferredAllocationAvailable: false };
      this.endpoints.set(resource, { client: null, options, stoppedAt: now });
    }
  }

  /** What the checkpoint file is to hold now. */
  get content(): CheckpointContent {
    const healthyIds = new Map([...this.healthy].map(([resource, ids]) => [resource, [...ids]] as const));
    return { entries: this.entries.all, healthyIds };
  }

  connect(client: PluginClient, options: PluginOptions): void {
    const endpoint = { client, options, stoppedAt: null };
    const others = this.#disconnectByName ? [] : (this.#connected.get(client.resource) ?? []);
    this.#connected.set(client.resource, [...others, endpoint]);
    this.endpoints.set(client.resource, endpoint);
  }

  /** The plugin is gone: its devices are unhealthy at once, unless another one of its resource is connected. */
  disconnect(client: PluginClient, now: number): void {
    const { resource } = client;
    const connected = this.#connected.get(resource) ?? [];
    const ended = this.#disconnectByName
      ? this.endpoints.get(resource)
      : connected.find((endpoint) => endpoint.client === client);
    if (ended === undefined) return;
    ended.stoppedAt = now;
    const rest = this.#disconnectByName ? [] : connected.filter((endpoint) => endpoint !== ended);
    this.#connected.set(resource, rest);
    const next = rest.at(-1);
    if (next === undefined) this.#markUnhealthy(resource);
    else this.endpoints.set(resource, next);
  }

  receiveList(resource: string, devices: readonly ListedDevice[]): void {
    const ids = (health: ListedDevice['health']): Set<string> =>
      new Set(devices.filter((device) => device.health === health).map(({ id }) => id));
    this.healthy.set(resource, ids('Healthy'));
    this.unhealthy.set(resource, ids('Unhealthy'));
    this.listed.set(resource, new Map(devices.map((device) => [device.id, device])));
  }

  /** True for a resource that a plugin has listed or of which something is allocated; others are not looked at. */
  knows(resource: string): boolean {
    return this.healthy.has(resource) || this.#allocated.has(resource);
  }

  /** The ids of a resource that count as taken; add to it to take more. */
  allocated(resource: string): Set<string> {
    const known = this.#allocated.get(resource);
    if (known !== undefined) return known;
    const fresh = new Set<string>();
    this.#allocated.set(resource, fresh);
    return fresh;
  }

  /** Makes the taken ids those of the entries again; ids of calls that are still open drop out. */
  restoreAllocated(): void {
    this.#allocated = this.entries.ids();
  }

  /**
   * Drops the entries of pods that are no longer active; only when there were any are the taken ids made anew. Returns
   * the open calls that lost ids by it.
   */
  dropDeadPods(isActive: (podUid: string) => boolean): readonly Flight[] {
    if (!this.entries.keepPods(isActive)) return [];
    this.restoreAllocated();
    return [...this.flights].filter(({ resource, ids }) =>
      [...ids].some((id) => !this.allocated(resource).has(id)),
    );
  }

  /** Capacity and allocatable by resource. Resources whose plugin has been gone too long are forgotten and named. */
  countCapacity(
    now: number,
    stopGraceMs: number,
  ): { status: Map<string, ResourceStatus>; forgotten: string[] } {
    const status = new Map<string, ResourceStatus>();
    const forgotten: string[] = [];
    for (const resource of new Set([...this.healthy.keys(), ...this.unhealthy.keys()])) {
      const stoppedAt = this.endpoints.get(resource)?.stoppedAt;
      if (stoppedAt === undefined || (stoppedAt !== null && now - stoppedAt > stopGraceMs)) {
        this.endpoints.delete(resource);
        this.healthy.delete(resource);
        this.unhealthy.delete(resource);
        forgotten.push(resource);
      } else {
        const allocatable = this.healthy.get(resource)?.size ?? 0;
        status.set(resource, {
          allocatable,
          capacity: allocatable + (this.unhealthy.get(resource)?.size ?? 0),
        });
      }
    }
    return { status, forgotten };
  }

  /** All devices of a resource count as unhealthy from now on, without a list that says so. */
  #markUnhealthy(resource: string): void {
    const all = [...(this.unhealthy.get(resource) ?? []), ...(this.healthy.get(resource) ?? [])];
    this.healthy.set(resource, new Set());
    this.unhealthy.set(resource, new Set(all));
  }
}
