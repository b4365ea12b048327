import type { ContainerResponse } from '../../allocation/response.ts';

/** What the kubelet remembers of one Allocate: whose it is, which ids by NUMA node (-1: none), and the answer. */
export interface PodEntry {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly idsByNumaNode: ReadonlyMap<number, readonly string[]>;
  readonly response: ContainerResponse;
}

/** The ids of an entry, each once. */
export function entryIds(entry: PodEntry): Set<string> {
  return new Set([...entry.idsByNumaNode.values()].flat());
}

/** The kubelet's memory of what it allocated, one entry for each container and resource. */
export class PodEntries {
  readonly #entries = new Map<string, PodEntry>();

  get all(): readonly PodEntry[] {
    return [...this.#entries.values()];
  }

  get(podUid: string, container: string, resource: string): PodEntry | undefined {
    return this.#entries.get(JSON.stringify([podUid, container, resource]));
  }

  ofContainer(podUid: string, container: string): readonly PodEntry[] {
    return this.all.filter((entry) => entry.podUid === podUid && entry.container === container);
  }

  set(entry: PodEntry): void {
    this.#entries.set(JSON.stringify([entry.podUid, entry.container, entry.resource]), entry);
  }

  /** Drops the entries of every pod that the test does not accept; true when there were any. */
  keepPods(accepts: (podUid: string) => boolean): boolean {
    const before = this.#entries.size;
    for (const [key, entry] of this.#entries) if (!accepts(entry.podUid)) this.#entries.delete(key);
    return this.#entries.size < before;
  }

  /** The ids of all entries, by resource. */
  ids(): Map<string, Set<string>> {
    const result = new Map<string, Set<string>>();
    for (const entry of this.#entries.values()) {
      const ids = result.get(entry.resource) ?? new Set();
      for (const id of entryIds(entry)) ids.add(id);
      result.set(entry.resource, ids);
    }
    return result;
  }
}
