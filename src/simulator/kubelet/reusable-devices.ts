import { entryIds, type PodEntries } from './pod-entries.ts';
import type { Container } from './pod.ts';

/**
 * The ids that later containers of the pod in admission take first: those of its ordinary init containers, less what a
 * sidecar or an app container has taken of them. Only the pod that was last asked for is remembered.
 */
export class ReusableDevices {
  #podUid = '';
  #ids = new Map<string, Set<string>>();

  /** By resource, for the next container of the pod. */
  of(podUid: string): ReadonlyMap<string, ReadonlySet<string>> {
    if (podUid !== this.#podUid) this.#ids = new Map();
    this.#podUid = podUid;
    return this.#ids;
  }

  /** Counts in what the container has got. */
  after(podUid: string, container: Container, entries: PodEntries): void {
    if (podUid !== this.#podUid) return;
    for (const entry of entries.ofContainer(podUid, container.name)) {
      const known = this.#ids.get(entry.resource) ?? new Set();
      const own = entryIds(entry);
      this.#ids.set(entry.resource, container.kind === 'init' ? known.union(own) : known.difference(own));
    }
  }
}
