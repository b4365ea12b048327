import type { Server } from '@grpc/grpc-js';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { Admission } from './admission.ts';
import { CheckpointFile } from './checkpoint-file.ts';
import { DeviceManager } from './device-manager.ts';
import type { EventLog } from './kubelet-events.ts';
import type { KubeletFaults } from './kubelet-faults.ts';
import type { Habits } from './kubelet-habits.ts';
import type { NodePods } from './node-pods.ts';
import { PluginRegistry } from './plugin-registry.ts';
import { createPodResourcesServer } from './pod-resources-server.ts';
import type { Pod } from './pod.ts';
import { createRegistrationServer } from './registration-server.ts';
import type { Random } from '../seeded-random.ts';
import { serveAtSocket } from './serve-socket.ts';

/** Where the kubelet's two sockets are; plugins and checkpoint lie in the folder of the first. */
interface KubeletPaths {
  readonly devicePluginFolder: string;
  readonly registrationSocket: string;
  readonly podResourcesSocket: string;
}

/** What outlives a kubelet process. */
export interface NodeState {
  readonly paths: KubeletPaths;
  readonly clock: Clock;
  readonly log: Log;
  readonly habits: Habits;
  readonly random: Random;
  readonly events: EventLog;
  readonly faults: KubeletFaults;
  readonly pods: NodePods;
  readonly violations: string[];
  readonly onCrash: (reason: string) => void;
}

/** One run of the kubelet: what it has in memory, its two servers, its connections. */
export class KubeletProcess implements AsyncDisposable {
  readonly manager: DeviceManager;
  readonly registry: PluginRegistry;
  readonly admission: Admission;
  readonly #node: NodeState;
  readonly #checkpoint: CheckpointFile;
  readonly #servers: readonly [registration: Server, podResources: Server];
  readonly #ended = new AbortController();
  #startedAt = 0;

  private constructor(node: NodeState) {
    const { paths, clock, log, habits, random, events, faults, pods, violations, onCrash } = node;
    const { signal } = this.#ended;
    const checkpoint = new CheckpointFile(paths.devicePluginFolder, { clock, faults, events });
    this.#checkpoint = checkpoint;
    const isActive = (uid: string): boolean => pods.isActive(uid);
    this.#node = node;
    const around = { clock, log, habits, random, events, violations, signal };
    this.manager = new DeviceManager({ ...around, checkpoint, isActive });
    this.registry = new PluginRegistry({ clock, habits, faults, events, handler: this.manager });
    this.admission = new Admission({ manager: this.manager, pods, clock, habits, signal, onCrash });
    this.#servers = [
      createRegistrationServer(paths.devicePluginFolder, { registry: this.registry, events, faults }),
      createPodResourcesServer(this.manager, () => this.#listedPods(), { clock, events }),
    ];
  }

  /**
   * Starts as the kubelet does: reads the checkpoint, deletes every socket in the device-plugins folder, makes a new
   * kubelet.sock. Resolves when both sockets can be dialled.
   * @param podsKnown `later` after a restart, when the pods have to be learnt and admitted again
   */
  static async start(node: NodeState, podsKnown: 'at once' | 'later'): Promise<KubeletProcess> {
    const kubelet = new KubeletProcess(node);
    const { paths, events, clock } = node;
    const [registration, podResources] = kubelet.#servers;
    await kubelet.manager.load();
    kubelet.manager.sourcesReady = podsKnown === 'at once';
    try {
      await mkdir(paths.devicePluginFolder, { recursive: true, mode: 0o750 });
      await removeSockets(paths.devicePluginFolder);
      await serveAtSocket(podResources, paths.podResourcesSocket);
      await serveAtSocket(registration, paths.registrationSocket);
    } catch (error) {
      await kubelet[Symbol.asyncDispose]();
      throw error;
    }
    kubelet.#startedAt = clock.now();
    events.add({ kind: 'started' });
    await writeFile(join(paths.devicePluginFolder, 'DEPRECATION'), '');
    if (podsKnown === 'later') void kubelet.admission.readmitAll().catch(() => undefined);
    return kubelet;
  }

  /** The end of the process: every connection is cut at once; socket files and checkpoint stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    for (const server of this.#servers) server.forceShutdown();
    await this.registry[Symbol.asyncDispose]();
    await this.admission.settled();
    await this.#checkpoint.settled();
  }

  /** After a restart none for a while, then a part, then all of the active pods; none behind one that is being admitted for the first time. */
  #listedPods(): readonly Pod[] {
    const { active } = this.#node.pods;
    if (this.manager.sourcesReady) return active;
    const { listEmptyMs, readmitAfterMs } = this.#node.habits;
    const sinceMs = this.#node.clock.now() - this.#startedAt;
    if (sinceMs < listEmptyMs) return [];
    // Pods become known one by one, each as its admission begins.
    const waiting = active.findIndex(({ phase }) => phase === 'Pending');
    const known = waiting === -1 ? active : active.slice(0, waiting);
    const share = Math.min(1, (sinceMs - listEmptyMs) / (readmitAfterMs - listEmptyMs));
    return known.slice(0, Math.max(1, Math.floor(known.length * share)));
  }
}

/** A plugin may remove its own socket meanwhile. */
async function removeSockets(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isSocket()) await rm(join(folder, entry.name), { force: true });
}
