import type { Clock } from '../../lib/clock.ts';
import { toError } from '../../lib/errors.ts';
import type { DeviceManager } from './device-manager.ts';
import type { NodePods } from './node-pods.ts';
import { hasEnded, type ContainerRecord, type PodRecord } from './pod.ts';

interface StartDeps {
  readonly manager: DeviceManager;
  readonly pods: NodePods;
  readonly clock: Clock;
  readonly startRetryMs: number;
  /** The end of the kubelet process. */
  readonly signal: AbortSignal;
  /** Gets errors that no start should see, for example a crash of the kubelet. */
  readonly onFatal: (error: unknown) => boolean;
}

/** Starts the containers of admitted pods, and tries again for ever where a start fails. */
export class ContainerStarts {
  readonly #deps: StartDeps;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #retries = new Set<Promise<void>>();
  readonly #starting = new Set<ContainerRecord>();

  constructor(deps: StartDeps) {
    this.#deps = deps;
  }

  /** Starts what waits: init containers first (an ordinary one ends at once), then the app containers. */
  startPod(pod: PodRecord): Promise<void> {
    const underWay = this.#underWay.get(pod.uid);
    if (underWay !== undefined) return underWay;
    const start = (async (): Promise<void> => {
      try {
        if (!(await this.#tryPod(pod))) this.#retryLater(pod);
      } finally {
        this.#underWay.delete(pod.uid);
      }
    })();
    this.#underWay.set(pod.uid, start);
    return start;
  }

  /** A running container dies and is started again with the stored answers. */
  async restart(pod: PodRecord, container: ContainerRecord): Promise<void> {
    container.state = 'Waiting';
    if (!(await this.#tryContainer(pod, container))) this.#retryLater(pod);
  }

  /** Resolves when no start is under way and none will be tried again; all end with the signal. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#underWay.values(), ...this.#retries]);
  }

  #retryLater(pod: PodRecord): void {
    const retry = this.#retry(pod).finally(() => this.#retries.delete(retry));
    this.#retries.add(retry);
  }

  async #retry(pod: PodRecord): Promise<void> {
    const { clock, signal, startRetryMs } = this.#deps;
    try {
      do await clock.sleep(startRetryMs, signal);
      while (!(await this.#tryPod(pod)));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** True when nothing of the pod is left to be started. */
  async #tryPod(pod: PodRecord): Promise<boolean> {
    const { pods } = this.#deps;
    for (const init of pod.containers.filter(({ kind }) => kind !== 'app'))
      if (!(await this.#tryContainer(pod, init))) return false;
    const apps = pod.containers.filter(({ kind }) => kind === 'app');
    const started = [];
    for (const app of apps) started.push(await this.#tryContainer(pod, app));
    if (pods.isActive(pod.uid) && pod.phase === 'Pending' && apps.some(({ state }) => state === 'Running'))
      pods.setPhase(pod, 'Running');
    return started.every(Boolean);
  }

  async #tryContainer(pod: PodRecord, container: ContainerRecord): Promise<boolean> {
    const { manager, pods, signal, onFatal } = this.#deps;
    if (container.state !== 'Waiting' || hasEnded(pod) || !pods.isActive(pod.uid)) return true;
    if (this.#starting.has(container)) return false;
    this.#starting.add(container);
    try {
      const given = await manager.prepareStart(pod, container);
      signal.throwIfAborted();
      if (!pods.isActive(pod.uid)) return true;
      container.given = given;
      container.starts += 1;
      container.state = container.kind === 'init' ? 'Terminated' : 'Running';
      container.reason = '';
      container.message = '';
      return true;
    } catch (error) {
      if (signal.aborted || onFatal(error)) throw error;
      container.reason = 'CreateContainerConfigError';
      container.message = toError(error).message;
      return false;
    } finally {
      this.#starting.delete(container);
    }
  }
}
