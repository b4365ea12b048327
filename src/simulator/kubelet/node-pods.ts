import type { ContainerResponse } from '../../allocation/response.ts';
import type { EventLog } from './kubelet-events.ts';
import { hasEnded, podTitle, type Pod, type PodPhase, type PodRecord } from './pod.ts';

/** The devices of one resource with which a container that runs now was started. */
export interface Holding {
  readonly pod: Pod;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
  /** The plugin's answer, as the container got it. */
  readonly response: ContainerResponse;
}

/** An id with which more than one running container was started; `holders` are `namespace/pod/container`. */
export interface Duplicate {
  readonly resource: string;
  readonly id: string;
  readonly holders: readonly string[];
}

/** The pods of the node, as the API server and the container runtime know them: they outlive the kubelet. */
export class NodePods {
  readonly #pods = new Map<string, PodRecord>();
  readonly #events: EventLog;

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** @param before uid of a pod that is younger; the newest when left out */
  add(pod: PodRecord, before?: string): void {
    const pods = [...this.#pods.values()];
    const at = pods.findIndex(({ uid }) => uid === before);
    const inOrder = at === -1 ? [...pods, pod] : pods.toSpliced(at, 0, pod);
    this.#pods.clear();
    for (const each of inOrder) this.#pods.set(each.uid, each);
  }

  /** By age, the oldest first. */
  get all(): readonly PodRecord[] {
    return [...this.#pods.values()];
  }

  /** Pods that have not ended: the kubelet counts only these when it clears its records. */
  get active(): readonly PodRecord[] {
    return this.all.filter((pod) => !hasEnded(pod));
  }

  isActive(uid: string): boolean {
    const pod = this.#pods.get(uid);
    return pod !== undefined && !hasEnded(pod);
  }

  /** The writable record of a pod; throws when the pod is not on the node (any more). */
  record(pod: Pod): PodRecord {
    const found = this.#pods.get(pod.uid);
    if (found === undefined) throw new Error(`Pod ${podTitle(pod)} is not on this node`);
    return found;
  }

  setPhase(pod: PodRecord, phase: PodPhase, reason: string = '', message: string = ''): void {
    pod.phase = phase;
    pod.reason = reason;
    pod.message = message;
    if (hasEnded(pod)) for (const container of pod.containers) container.state = 'Terminated';
    this.#events.add({ kind: 'pod', pod: podTitle(pod), phase, reason, message });
  }

  remove(pod: PodRecord): void {
    this.#pods.delete(pod.uid);
    for (const container of pod.containers) container.state = 'Terminated';
    this.#events.add({ kind: 'pod', pod: podTitle(pod), phase: 'Removed', reason: '', message: '' });
  }

  holdings(): readonly Holding[] {
    return this.all.flatMap((pod) =>
      pod.containers
        .filter((container) => container.state === 'Running')
        .flatMap((container) =>
          [...container.given].map(([resource, given]) => ({
            pod,
            container: container.name,
            resource,
            ids: given.ids,
            response: given.response,
          })),
        ),
    );
  }

  duplicates(): readonly Duplicate[] {
    const holders = new Map<string, { resource: string; id: string; holders: string[] }>();
    for (const { pod, container, resource, ids } of this.holdings()) {
      for (const id of ids) {
        const key = JSON.stringify([resource, id]);
        const known = holders.get(key) ?? { resource, id, holders: [] };
        known.holders.push(`${podTitle(pod)}/${container}`);
        holders.set(key, known);
      }
    }
    return [...holders.values()].filter((held) => held.holders.length > 1);
  }
}
