import { setTimeout as delay } from 'node:timers/promises';
import type { Pods } from '../support/pods.ts';
import { patienceMs } from '../support/wait.ts';
import { endedPhases, type SeenPod, seePod } from './observation.ts';

/** What was seen of one pod. Times are milliseconds of `performance.now()`. */
export interface PodHistory {
  last: SeenPod;
  gone: boolean;
  /** When all its containers first ran, or when it had succeeded, if that was seen first. */
  ranMs: number | null;
  /** When it was last seen and had not failed. */
  wellMs: number;
  /** When it was last seen and had not ended. */
  heldMs: number;
  /** It had to wait for a GPU. */
  waited: boolean;
}

/** How often the API server is asked: the accuracy of the times. */
const periodMs = 100;

/** Looks at all pods of a namespace again and again. Disposing ends it. */
export class PodWatch implements AsyncDisposable {
  readonly histories = new Map<string, PodHistory>();
  readonly #pods: Pods;
  readonly #stop = new AbortController();
  readonly #task: Promise<void>;
  readonly #readers = new Set<() => void>();
  #failure: Error | null = null;

  constructor(pods: Pods) {
    this.#pods = pods;
    this.#task = this.#run();
  }

  /** What is there now. */
  get pods(): readonly SeenPod[] {
    return [...this.histories.values()].filter(({ gone }) => !gone).map(({ last }) => last);
  }

  /** Looks now. */
  async look(): Promise<void> {
    const askedMs = performance.now();
    const seen = (await this.#pods.list()).map(seePod);
    const nowMs = performance.now();
    for (const pod of seen) this.#note(pod, nowMs);
    const uids = new Set(seen.map(({ uid }) => uid));
    for (const [uid, history] of this.histories)
      if (!uids.has(uid) && history.wellMs < askedMs) history.gone = true;
    for (const reader of this.#readers) reader();
  }

  /** Resolves with true when the pod's history will do, and with false when that has not come within a minute. */
  async until(uid: string, accepts: (history: PodHistory) => boolean): Promise<boolean> {
    const isSo = (): boolean => {
      if (this.#failure !== null) throw this.#failure;
      const history = this.histories.get(uid);
      return history !== undefined && accepts(history);
    };
    for (const end = performance.now() + patienceMs; performance.now() < end;) {
      if (isSo()) return true;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#readers.add(wake);
      await promise;
      this.#readers.delete(wake);
    }
    return isSo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#task;
  }

  #note(pod: SeenPod, nowMs: number): void {
    const known = this.histories.get(pod.uid);
    const history = known ?? {
      last: pod,
      gone: false,
      ranMs: null,
      wellMs: nowMs,
      heldMs: nowMs,
      waited: false,
    };
    history.last = pod;
    if (pod.phase !== 'Failed') history.wellMs = nowMs;
    if (!endedPhases.has(pod.phase)) history.heldMs = nowMs;
    if (pod.unschedulable) history.waited = true;
    if ((pod.phase === 'Running' && pod.ready) || pod.phase === 'Succeeded') history.ranMs ??= nowMs;
    this.histories.set(pod.uid, history);
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.look().catch((thrown: unknown) => {
        this.#failure = new Error('The API server does not tell its pods', { cause: thrown });
        for (const reader of this.#readers) reader();
      });
      await delay(periodMs);
    }
  }
}
