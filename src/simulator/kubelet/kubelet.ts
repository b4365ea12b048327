import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContainerResponse } from '../../allocation/response.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { silentLog, type Log } from '../../lib/log.ts';
import { EventLog } from './kubelet-events.ts';
import { KubeletFaults } from './kubelet-faults.ts';
import { defaultHabits, type Habits } from './kubelet-habits.ts';
import { KubeletProcess, type NodeState } from './kubelet-process.ts';
import { NodePods } from './node-pods.ts';
import { NodeView } from './node-view.ts';
import { createPod, hasEnded, podTitle, type Pod, type PodRecord, type PodSpec } from './pod.ts';
import { seededRandom } from '../seeded-random.ts';

export interface StandInKubeletOptions {
  /** Plays /var/lib/kubelet: it gets `device-plugins/` and `pod-resources/`, each with a `kubelet.sock`. */
  readonly folder: string;
  /** Default: `folder`/device-plugins/kubelet.sock. Plugin sockets and the checkpoint lie beside it. */
  readonly registrationSocket?: string;
  /** Default: `folder`/pod-resources/kubelet.sock. */
  readonly podResourcesSocket?: string;
  readonly clock?: Clock;
  /** Gets every event as a debug line. */
  readonly log?: Log;
  readonly habits?: Partial<Habits>;
  /** Decides every order that is random in the kubelet; default 1. */
  readonly seed?: number;
}

/** Starts a stand-in kubelet; resolves when its sockets can be dialled. */
export async function startKubelet(options: StandInKubeletOptions): Promise<StandInKubelet> {
  const kubelet = new StandInKubelet(options);
  await kubelet.start();
  return kubelet;
}

/**
 * A kubelet that does to a device plugin what the real one does, its faults included, over real gRPC on unix sockets.
 * It knows the plugin through the sockets alone. Pods are handed to it as if they had passed the scheduler; their
 * containers run nothing, and ordinary init containers end at once. A pod that asks for a resource of which the kubelet
 * has never heard is admitted without it, as in the real one.
 */
export class StandInKubelet extends NodeView implements AsyncDisposable {
  readonly faults: KubeletFaults;
  readonly #node: NodeState;
  readonly #admissions = new Map<string, PromiseWithResolvers<Pod>>();
  #process: KubeletProcess | null = null;
  #ending: Promise<void> = Promise.resolve();
  #crash: { readonly reason: string } | null = null;

  constructor(options: StandInKubeletOptions) {
    const node = createNode(options, (reason) => this.#onCrash(reason));
    super(node, () => this.#process);
    this.#node = node;
    this.faults = node.faults;
  }

  /** Why the kubelet crashed; null while it has not, and after the next restart. */
  get crashed(): { readonly reason: string } | null {
    return this.#crash;
  }

  /** Starts the kubelet on a node that has just been set up: nothing to wait for, no pods to learn. */
  async start(): Promise<void> {
    this.#process = await KubeletProcess.start(this.#node, 'at once');
  }

  /**
   * Puts a pod on the node. Resolves when the kubelet has refused it (phase Failed, with reason and message) or has
   * started its containers for the first time; the pod's status goes on changing. Rejects when the kubelet stops or
   * crashes meanwhile: the pod stays on the node, Pending, and is admitted after the restart. A pod put on the node
   * while the kubelet is down waits for it.
   * @param younger a pod that was made after this one, though it came to the node before: a kubelet that starts takes pods by age
   */
  admit(spec: PodSpec, younger?: Pod): Promise<Pod> {
    const pod = createPod(spec);
    const outcome = Promise.withResolvers<Pod>();
    outcome.promise.catch(() => undefined);
    this.#node.pods.add(pod, younger?.uid);
    this.#admissions.set(pod.uid, outcome);
    if (this.#process !== null) this.#admitTo(this.#process, pod);
    return outcome.promise;
  }

  /** The pod's containers end. The kubelet notices at once and says so to no plugin. */
  finish(pod: Pod, phase: 'Succeeded' | 'Failed'): void {
    this.#node.pods.setPhase(this.#node.pods.record(pod), phase);
  }

  /** The pod is deleted; its containers end. */
  remove(pod: Pod): void {
    this.#node.pods.remove(this.#node.pods.record(pod));
  }

  /** A container dies and is started again. Resolves with what it was started with, by resource name. */
  async restartContainer(pod: Pod, name: string): Promise<Readonly<Record<string, ContainerResponse>>> {
    const record = this.#node.pods.record(pod);
    const container = record.containers.find((each) => each.name === name);
    if (container === undefined || hasEnded(record))
      throw new Error(`Pod ${podTitle(pod)} has no container ${name} to restart`);
    await this.#running().admission.starts.restart(record, container);
    return Object.fromEntries([...container.given].map(([resource, { response }]) => [resource, response]));
  }

  /** The kubelet process ends; its socket files, its checkpoint and the pods stay. */
  async stop(): Promise<void> {
    if (this.#process === null) return this.#ending;
    this.#node.events.add({ kind: 'stopped' });
    await this.#end('stopped');
  }

  /** Stops the kubelet, unless it is down already, and starts it again after `downMs` of its clock. Pods run on. */
  async restart({ downMs = 0 }: { readonly downMs?: number } = {}): Promise<void> {
    await this.stop();
    if (downMs > 0) await this.#node.clock.sleep(downMs);
    this.#crash = null;
    this.#process = await KubeletProcess.start(this.#node, 'later');
    for (const pod of this.#node.pods.all)
      if (this.#admissions.has(pod.uid)) this.#admitTo(this.#process, pod);
  }

  /** As `restart`, but every container has ended: pods fail whose ids are not healthy when they are admitted again. */
  async reboot(options: { readonly downMs?: number } = {}): Promise<void> {
    await this.stop();
    for (const pod of this.#node.pods.active)
      for (const container of pod.containers) container.state = 'Waiting';
    await this.restart(options);
  }

  /** Breaks the list stream of the plugin that holds the resource, from the kubelet's side. */
  dropStream(resource: string): void {
    const client = this.#running().registry.current(resource);
    if (client === undefined) throw new Error(`No plugin is connected for ${resource}`);
    client.dropStream();
  }

  /** Deletes the socket file of the plugin that holds the resource. */
  async removePluginSocket(resource: string): Promise<void> {
    const client = this.#running().registry.current(resource);
    if (client === undefined) throw new Error(`No plugin is connected for ${resource}`);
    await rm(client.socketPath);
  }

  /** Deletes the device-plugins folder and makes an empty one; the kubelet goes on without noticing. */
  async recreateFolder(): Promise<void> {
    await rm(this.devicePluginFolder, { recursive: true, maxRetries: 10 });
    await mkdir(this.devicePluginFolder, { mode: 0o750 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#node.events.close();
    await this.stop();
  }

  #admitTo(process: KubeletProcess, pod: PodRecord): void {
    const outcome = this.#admissions.get(pod.uid);
    void process.admission.admit(pod).then(
      () => {
        this.#admissions.delete(pod.uid);
        outcome?.resolve(pod);
      },
      // Rejected in #end, with the reason why the process has gone.
      () => undefined,
    );
  }

  #running(): KubeletProcess {
    if (this.#process === null) throw new Error('The stand-in kubelet is down');
    return this.#process;
  }

  #onCrash(reason: string): void {
    if (this.#process === null) return;
    this.#crash = { reason };
    this.#node.events.add({ kind: 'crashed', reason });
    void this.#end(`crashed: ${reason}`);
  }

  /** Forgets the process at once; resolves when nothing of it is left. */
  #end(how: string): Promise<void> {
    const process = this.#process;
    this.#process = null;
    this.#ending = process === null ? this.#ending : process[Symbol.asyncDispose]();
    for (const [uid, outcome] of this.#admissions) {
      outcome.reject(new Error(`The stand-in kubelet ${how}`));
      this.#admissions.delete(uid);
    }
    return this.#ending;
  }
}

function createNode(options: StandInKubeletOptions, onCrash: (reason: string) => void): NodeState {
  const { folder, clock = systemClock, log = silentLog(), habits, seed = 1 } = options;
  const registrationSocket = options.registrationSocket ?? join(folder, 'device-plugins', 'kubelet.sock');
  const events = new EventLog(log);
  return {
    paths: {
      registrationSocket,
      devicePluginFolder: dirname(registrationSocket),
      podResourcesSocket: options.podResourcesSocket ?? join(folder, 'pod-resources', 'kubelet.sock'),
    },
    clock,
    log,
    habits: { ...defaultHabits, ...habits },
    random: seededRandom(seed),
    events,
    faults: new KubeletFaults(),
    pods: new NodePods(events),
    violations: [],
    onCrash,
  };
}
