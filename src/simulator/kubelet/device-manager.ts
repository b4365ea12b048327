import type { Clock } from '../../lib/clock.ts';
import { toError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { AllocateAnswer, PluginOptions } from '../../kubelet/contract.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { chooseDevices } from './choose-devices.ts';
import { DeviceBooks, type Flight, type ResourceStatus } from './device-books.ts';
import type { EventLog } from './kubelet-events.ts';
import type { Habits } from './kubelet-habits.ts';
import { PluginCalls } from './plugin-calls.ts';
import type { PluginClient, ReceivedList } from './plugin-client.ts';
import type { PluginHandler } from './plugin-registry.ts';
import { entryIds, type PodEntry } from './pod-entries.ts';
import { podTitle, type Container, type GivenDevices, type Pod } from './pod.ts';
import { ReusableDevices } from './reusable-devices.ts';
import { shuffled, type Random } from '../seeded-random.ts';

/** What the device manager needs around it. */
export interface DeviceManagerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly habits: Habits;
  readonly random: Random;
  readonly events: EventLog;
  readonly checkpoint: CheckpointFile;
  readonly isActive: (podUid: string) => boolean;
  /** Where breaches of the plugin's side of the contract are noted. */
  readonly violations: string[];
  /** The end of the kubelet process. */
  readonly signal: AbortSignal;
}

/** Thrown where the real kubelet panics. */
export class KubeletCrash extends Error {
  override readonly name = 'KubeletCrash';
}

/** The kubelet's device manager: books, calls to the plugins, checkpoint. */
export class DeviceManager implements PluginHandler {
  readonly books: DeviceBooks;
  /** False after a restart until all pods are known again; until then no entry is dropped. */
  sourcesReady = true;
  readonly #deps: DeviceManagerDeps;
  readonly #reusable = new ReusableDevices();
  readonly #calls: PluginCalls;

  constructor(deps: DeviceManagerDeps) {
    this.#deps = deps;
    this.books = new DeviceBooks(deps.habits.disconnectByName);
    this.#calls = new PluginCalls(deps.events);
  }

  /** Starts from the checkpoint; a missing or unreadable one means that nothing is allocated. */
  async load(): Promise<void> {
    try {
      this.books.load(await this.#deps.checkpoint.read(), this.#deps.clock.now());
    } catch (error) {
      this.#deps.log.info({ error: toError(error).message }, 'kubelet: started without a checkpoint');
    }
  }

  connected(client: PluginClient, options: PluginOptions): void {
    this.books.connect(client, options);
  }

  async listed({ resource, endpoint }: PluginClient, { devices, receivedAt }: ReceivedList): Promise<void> {
    this.books.receiveList(resource, devices);
    const healthy = this.books.healthy.get(resource)?.size ?? 0;
    this.#deps.events.add({ kind: 'list', resource, endpoint, devices: devices.length, healthy, receivedAt });
    await this.#tryWriteCheckpoint();
  }

  disconnected(client: PluginClient): void {
    this.books.disconnect(client, this.#deps.clock.now());
  }

  /** Capacity and allocatable as the kubelet counts them now; forgets what has been gone for too long. */
  countCapacity(): { status: Map<string, ResourceStatus>; forgotten: string[] } {
    const counted = this.books.countCapacity(this.#deps.clock.now(), this.#deps.habits.stopGraceMs);
    if (counted.forgotten.length > 0) void this.#tryWriteCheckpoint();
    return counted;
  }

  /** Drops dead pods as a pod-resources List does, and notes a violation when that loses ids of an open call. */
  dropDeadPodsForList(): { openCalls: number } {
    for (const flight of this.#dropDeadPods()) {
      this.#deps.violations.push(
        `pod resources List during an open Allocate of ${flight.resource} for ${flight.pod}/${flight.container}: ` +
          `the kubelet forgot that ${[...flight.ids].join(', ')} are taken`,
      );
    }
    return { openCalls: this.#calls.open };
  }

  /**
   * Gives a container its devices: chooses ids, calls Allocate, remembers the answer, writes the checkpoint. Containers
   * of a pod come in order, init containers first. Throws what goes to the pod's status, or KubeletCrash.
   * @param alreadyRunning true for a container that runs while the kubelet starts
   */
  async allocateContainer(pod: Pod, container: Container, alreadyRunning: boolean): Promise<void> {
    const reusable = this.#reusable.of(pod.uid);
    let changed = false;
    let first = true;
    for (const [resource, count] of shuffled(this.#deps.random, Object.entries(container.resources))) {
      if (!this.books.knows(resource)) continue;
      if (first) this.#dropDeadPods();
      first = false;
      const flight: Flight = { pod: podTitle(pod), container: container.name, resource, ids: new Set() };
      const request = { podUid: pod.uid, container: container.name, resource, count, alreadyRunning };
      this.books.flights.add(flight);
      try {
        const ids = await chooseDevices(
          this.books,
          { ...request, reusable: reusable.get(resource) ?? new Set() },
          flight,
          this.#deps.random,
          (wanted) => this.#calls.prefer(flight, this.books.endpoints.get(resource), wanted),
        );
        if (ids.length === 0) continue;
        changed = true;
        this.books.entries.set(await this.#allocate(pod, flight));
      } finally {
        this.books.flights.delete(flight);
      }
    }
    if (changed) await this.#writeCheckpoint();
    this.#reusable.after(pod.uid, container, this.books.entries);
  }

  /**
   * What a container is started with, after PreStartContainer where the plugin asks for it: the stored answers. A
   * container without a stored answer is allocated anew. Throws what keeps the container from starting.
   */
  async prepareStart(pod: Pod, container: Container): Promise<ReadonlyMap<string, GivenDevices>> {
    let missing = false;
    for (const [resource, count] of Object.entries(container.resources)) {
      if (count === 0 || !this.books.knows(resource)) continue;
      const entry = this.books.entries.get(pod.uid, container.name, resource);
      const ids = entry === undefined ? null : shuffled(this.#deps.random, entryIds(entry));
      const target = { pod: podTitle(pod), container: container.name, resource };
      await this.#calls.preStart(target, this.books.endpoints.get(resource), ids);
      missing ||= entry === undefined;
    }
    if (missing && this.#deps.isActive(pod.uid)) await this.allocateContainer(pod, container, false);
    const entries = this.books.entries.ofContainer(pod.uid, container.name);
    return new Map(
      entries.map((entry) => [entry.resource, { ids: [...entryIds(entry)], response: entry.response }]),
    );
  }

  async #allocate(pod: Pod, flight: Flight): Promise<PodEntry> {
    const { resource, container } = flight;
    const ids = shuffled(this.#deps.random, flight.ids);
    const endpoint = this.books.endpoints.get(resource);
    let answer: AllocateAnswer;
    try {
      if (endpoint === undefined) throw new Error(`unknown Device Plugin ${resource}`);
      answer = await this.#calls.allocate(flight, endpoint, ids);
    } catch (error) {
      this.books.restoreAllocated();
      throw error;
    }
    const [response] = answer;
    if (response === undefined) throw new Error('no containers return in allocation response');
    return {
      podUid: pod.uid,
      container,
      resource,
      idsByNumaNode: this.#splitByNumaNode(resource, ids),
      response,
    };
  }

  /** The lookup without a nil check: an id that is no longer listed makes the real kubelet panic. */
  #splitByNumaNode(resource: string, ids: readonly string[]): ReadonlyMap<number, readonly string[]> {
    const result = new Map<number, string[]>();
    for (const id of ids) {
      const device = this.books.listed.get(resource)?.get(id);
      if (device === undefined)
        throw new KubeletCrash(
          `invalid memory address or nil pointer dereference: ${id} of ${resource} left the list during its Allocate`,
        );
      const node = device.numaNode ?? -1;
      result.set(node, [...(result.get(node) ?? []), id]);
    }
    return result;
  }

  #dropDeadPods(): readonly Flight[] {
    return this.sourcesReady ? this.books.dropDeadPods(this.#deps.isActive) : [];
  }

  #writeCheckpoint(): Promise<void> {
    return this.#deps.checkpoint.write(this.books.content, this.#deps.signal);
  }

  async #tryWriteCheckpoint(): Promise<void> {
    try {
      await this.#writeCheckpoint();
    } catch (error) {
      if (!this.#deps.signal.aborted)
        this.#deps.log.error({ error: toError(error).message }, 'kubelet: cannot write the checkpoint');
    }
  }
}
