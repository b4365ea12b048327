import type { Clock } from '../../lib/clock.ts';
import { toError } from '../../lib/errors.ts';
import { ContainerStarts } from './container-starts.ts';
import { KubeletCrash, type DeviceManager } from './device-manager.ts';
import type { Habits } from './kubelet-habits.ts';
import type { NodePods } from './node-pods.ts';
import { hasEnded, type ContainerRecord, type PodRecord } from './pod.ts';

interface AdmissionDeps {
  readonly manager: DeviceManager;
  readonly pods: NodePods;
  readonly clock: Clock;
  readonly habits: Habits;
  /** The end of the kubelet process. */
  readonly signal: AbortSignal;
  readonly onCrash: (reason: string) => void;
}

/** Admits pods one at a time: while one waits for its plugin, so does every other, with devices or without. */
export class Admission {
  readonly starts: ContainerStarts;
  readonly #deps: AdmissionDeps;
  readonly #handled = new Set<string>();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
    const { manager, pods, clock, signal, habits } = deps;
    const onFatal = (error: unknown): boolean => this.#reportCrash(error);
    this.starts = new ContainerStarts({
      manager,
      pods,
      clock,
      signal,
      startRetryMs: habits.startRetryMs,
      onFatal,
    });
  }

  /** Resolves when the pod was refused or its containers were started for the first time. */
  async admit(pod: PodRecord): Promise<void> {
    await this.#next(() => this.#allocate(pod));
    await this.starts.startPod(pod);
  }

  /**
   * After a restart: once the pods are known again each is admitted anew; none calls Allocate unless it never got an
   * answer. A pod may be killed here: a finished init container is not running, so its ids have to be healthy.
   */
  async readmitAll(): Promise<void> {
    const { clock, habits, manager, pods, signal } = this.#deps;
    await this.#next(async () => {
      await clock.sleep(habits.readmitAfterMs, signal);
      for (const pod of pods.active) {
        await this.#allocate(pod);
        void this.starts.startPod(pod).catch(() => undefined);
      }
      manager.sourcesReady = true;
    });
  }

  /** Resolves when nothing is under way any more; everything ends with the signal. */
  async settled(): Promise<void> {
    await this.#tail;
    await this.starts.settled();
  }

  async #allocate(pod: PodRecord): Promise<void> {
    const { manager, pods, signal } = this.#deps;
    if (this.#handled.has(pod.uid) || !pods.isActive(pod.uid)) return;
    this.#handled.add(pod.uid);
    try {
      for (const container of pod.containers)
        await manager.allocateContainer(pod, container, this.#isFoundRunning(container));
    } catch (error) {
      this.#reportCrash(error);
      signal.throwIfAborted();
      if (hasEnded(pod)) return;
      const text = `Allocate failed due to ${toError(error).message}, which is unexpected`;
      pods.setPhase(pod, 'Failed', 'UnexpectedAdmissionError', `Pod was rejected: ${text}`);
    }
    signal.throwIfAborted();
  }

  #isFoundRunning(container: ContainerRecord): boolean {
    return !this.#deps.manager.sourcesReady && container.state === 'Running';
  }

  #reportCrash(error: unknown): boolean {
    if (!(error instanceof KubeletCrash)) return false;
    this.#deps.onCrash(error.message);
    return true;
  }

  #next(task: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(() => {
      this.#deps.signal.throwIfAborted();
      return task();
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
