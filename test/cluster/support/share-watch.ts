import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode } from './cluster-node.ts';
import { readRunningContainers } from './oracle.ts';
import { findOverbooked } from './shares.ts';

/** What was seen of a test's containers, one look after the other. Disposing ends the looking. */
export interface ShareWatch extends AsyncDisposable {
  readonly looks: number;
  /** Each GPU that had been given beyond what it has, once for each set of holders. */
  readonly overbooked: readonly string[];
  /** Containers that had another GPU or another amount, or were another container, than when they were first seen. */
  readonly changed: readonly string[];
}

const everyMs = 200;

/** @param offeredMiB of each GPU */
export function keepLooking(node: ClusterNode, offeredMiB: number): ShareWatch {
  const overbooked = new Set<string>();
  const changed = new Set<string>();
  const first = new Map<string, string>();
  const stop = new AbortController();
  let looks = 0;
  const look = async (): Promise<void> => {
    const all = await readRunningContainers(node.cluster);
    const running = all.filter(({ namespace }) => namespace === node.namespace);
    for (const each of findOverbooked(running, offeredMiB)) overbooked.add(each);
    for (const { podUid, pod, container, id, gpus, memoryMiB } of running) {
      const now = `${id}: ${gpus.join()} ${memoryMiB ?? 'whole'}`;
      const was = first.get(`${podUid}/${container}`) ?? now;
      first.set(`${podUid}/${container}`, was);
      if (was !== now) changed.add(`${pod}/${container} was ${was} and is ${now}`);
    }
    looks += 1;
  };
  const task = (async () => {
    for (; !stop.signal.aborted; await delay(everyMs)) await look();
  })();
  task.catch(() => undefined);
  return {
    get looks() {
      return looks;
    },
    get overbooked() {
      return [...overbooked];
    },
    get changed() {
      return [...changed];
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await task;
    },
  };
}
