import type { V1Pod } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode } from './cluster-node.ts';

/** How many pods there are of each phase. */
export type Phases = Readonly<Record<'running' | 'pending' | 'failed', number>>;

/** A pod that has failed. */
export interface FailedPod {
  readonly name: string;
  /**
   * When the kubelet refused it, in milliseconds of Unix time: the end of that second, as the status counts whole ones. The kubelet can
   * tell the API server as much as 10 s later, so when it is seen says little.
   */
  readonly refusedMs: number;
  readonly message: string;
}

const everyMs = 200;

/** Looks at all pods of a node's namespace again and again; disposing ends it. */
export class PodFates implements AsyncDisposable {
  readonly failed = new Map<string, FailedPod>();
  readonly #node: ClusterNode;
  readonly #stop = new AbortController();
  readonly #task: Promise<void>;
  #phases: Phases = { running: 0, pending: 0, failed: 0 };

  constructor(node: ClusterNode) {
    this.#node = node;
    this.#task = this.#run();
  }

  /** As they were at the last look. */
  get phases(): Phases {
    return this.#phases;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#task;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // A question that is not answered is asked again.
      const pods = await this.#node.pods.list().catch(() => null);
      if (pods !== null) this.#note(pods);
      await delay(everyMs);
    }
  }

  #note(pods: readonly V1Pod[]): void {
    const count = (phase: string): number => pods.filter(({ status }) => status?.phase === phase).length;
    this.#phases = { running: count('Running'), pending: count('Pending'), failed: count('Failed') };
    for (const { metadata, status } of pods) {
      const [uid, name] = [metadata?.uid ?? '', metadata?.name ?? ''];
      if (status?.phase !== 'Failed' || this.failed.has(uid)) continue;
      const refusedMs = (status.startTime ?? new Date()).getTime() + 999;
      this.failed.set(uid, { name, refusedMs, message: status.message ?? '' });
    }
  }
}
