import type { BookedDevices, ListedDevices, Reading } from '../../../src/allocation/holdings/events.ts';
import { seededRandom, shuffled, type Random } from '../../../src/simulator/seeded-random.ts';

/** A container's wish for one resource. */
export interface ModelContainer {
  readonly name: string;
  readonly kind: 'init' | 'app';
  readonly resource: string;
  readonly count: number;
}

export interface ModelPod {
  readonly uid: string;
  readonly name: string;
  readonly containers: readonly ModelContainer[];
  /** The kubelet counts it: from its admission until all its containers have ended. */
  active: boolean;
}

/** What the plugin says to an Allocate: the record of its answer, or a refusal. */
export type ModelAnswer = { readonly record: string } | { readonly refused: string };

/**
 * The kubelet's device manager in a few lines, without time: its memory, its checkpoint file, and the habits that the rules for holdings
 * rest on. It dies with `restart` and comes back with what the file says.
 */
export class ModelKubelet {
  readonly pods: ModelPod[] = [];
  readonly #random: Random;
  #entries: BookedDevices[] = [];
  #allocated = new Set<string>();
  #healthy = new Map<string, ReadonlySet<string>>();
  /** `null`: there is no file. */
  #file: readonly BookedDevices[] | null = null;
  /** The file before the last write that a list caused. */
  #olderFile: readonly BookedDevices[] | null = null;
  #runs = 1;
  /** Lists since the last restart that show less than there is. */
  #partialLists = 0;

  constructor(seed: number, found: readonly BookedDevices[]) {
    this.#random = seededRandom(seed);
    this.#entries = [...found];
    this.#file = found.length === 0 ? null : [...found];
    this.#countAllocated();
  }

  /** Which kubelet process this is. */
  get identity(): string {
    return `run ${this.#runs}`;
  }

  get entries(): readonly BookedDevices[] {
    return this.#entries;
  }

  healthyIds(resource: string): ReadonlySet<string> {
    return this.#healthy.get(resource) ?? new Set();
  }

  /** What a reader of the file gets. */
  read(): Reading {
    return this.#file ?? 'absent';
  }

  /** Takes a plugin's list and writes the file. */
  receiveList(resource: string, healthy: Iterable<string>): void {
    this.#healthy.set(resource, new Set(healthy));
    this.#olderFile = this.#file;
    this.#file = [...this.#entries];
  }

  /** The plugin's stream has ended. */
  loseStreams(): void {
    this.#healthy = new Map();
  }

  /** The pod resources API; it drops dead pods from memory and shows no init containers. */
  list(): readonly ListedDevices[] {
    if (this.#partialLists > 0) {
      this.#partialLists -= 1;
      return this.#partialLists > 1 ? [] : this.#listed().slice(1);
    }
    this.#dropDeadPods();
    return this.#listed();
  }

  /** Admits a pod, container by container; true when each has got what it asked for. */
  admit(
    pod: ModelPod,
    allocate: (resource: string, ids: readonly string[], container: ModelContainer) => ModelAnswer,
  ): boolean {
    this.pods.push(pod);
    const reusable = new Map<string, Set<string>>();
    for (const container of pod.containers) {
      this.#dropDeadPods();
      const { resource, count } = container;
      const ids = this.#choose(resource, count, reusable.get(resource) ?? new Set());
      const answer =
        ids === null ? { refused: 'kubelet: too few devices' } : allocate(resource, ids, container);
      if (ids === null || 'refused' in answer) {
        this.#countAllocated();
        pod.active = false;
        return false;
      }
      this.#entries.push({
        podUid: pod.uid,
        container: container.name,
        resource,
        deviceIds: ids,
        record: answer.record,
      });
      this.#file = [...this.#entries];
      this.#olderFile = this.#file;
      const known = reusable.get(resource) ?? new Set();
      reusable.set(
        resource,
        container.kind === 'init' ? known.union(new Set(ids)) : known.difference(new Set(ids)),
      );
    }
    return true;
  }

  /** Dies and starts again from its file. Containers run on. */
  restart(loss: 'none' | 'last-write-for-a-list' | 'file'): void {
    this.#runs += 1;
    if (loss === 'last-write-for-a-list') this.#file = this.#olderFile;
    if (loss === 'file') this.#file = null;
    this.#olderFile = this.#file;
    this.#entries = [...(this.#file ?? [])];
    this.#countAllocated();
    this.#healthy = new Map();
    this.#partialLists = 3;
  }

  /**
   * Another client listed the pod resources while the newest answer was under way, and a pod had died: the ids in flight are no longer
   * taken, until the taken ids are next counted. Nobody can help it for ids that an init container alone holds: no List shows them.
   */
  forgetNewestIds(): void {
    const newest = this.#entries.at(-1);
    const listed = new Set(this.#listed().flatMap(({ deviceIds }) => deviceIds));
    if (this.#partialLists === 0 && newest?.deviceIds.every((id) => listed.has(id)) === true)
      this.#allocated = this.#allocated.difference(new Set(newest.deviceIds));
  }

  /** Someone removes the file while the kubelet lives. */
  removeFile(): void {
    this.#file = null;
    this.#olderFile = null;
  }

  #listed(): readonly ListedDevices[] {
    return this.#entries.flatMap(({ podUid, container, resource, deviceIds }) => {
      const pod = this.pods.find(({ uid }) => uid === podUid);
      const isShown =
        pod?.active === true && pod.containers.some(({ name, kind }) => name === container && kind === 'app');
      if (!isShown) return [];
      const name = { namespace: 'default', pod: pod.name, container, resourceName: resource };
      return deviceIds.map((id) => ({ ...name, deviceIds: [id] }));
    });
  }

  #choose(resource: string, count: number, reusable: ReadonlySet<string>): readonly string[] | null {
    const first = shuffled(this.#random, reusable).slice(0, count);
    const free = [...this.healthyIds(resource)].filter((id) => !this.#allocated.has(id));
    const ids = [...first, ...shuffled(this.#random, free).slice(0, count - first.length)];
    if (ids.length < count) return null;
    for (const id of ids) this.#allocated.add(id);
    return ids;
  }

  #dropDeadPods(): void {
    if (this.#partialLists > 0) return;
    const active = new Set(this.pods.flatMap(({ uid, active }) => (active ? [uid] : [])));
    const kept = this.#entries.filter(({ podUid }) => active.has(podUid));
    if (kept.length === this.#entries.length) return;
    this.#entries = kept;
    this.#countAllocated();
  }

  #countAllocated(): void {
    this.#allocated = new Set(this.#entries.flatMap(({ deviceIds }) => deviceIds));
  }
}
