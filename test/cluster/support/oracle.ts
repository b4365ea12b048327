import type { Cluster } from '../node/cluster.ts';
import { execute } from '../node/supervisor.ts';

/** What one container has of one resource, by what the kubelet tells. Ids are sorted. */
export interface Holding {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
}

/** What the kubelet has written down for one container and resource, with the plugin's answer. Ids are sorted. */
export interface CheckpointEntry {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
  readonly annotations: Readonly<Record<string, string>> | null;
  readonly envs: Readonly<Record<string, string>> | null;
}

/** A container that runs, with the GPUs in the environment of its first process. Ids are sorted. */
export interface RunningContainer {
  /** The container runtime's. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  readonly gpus: readonly string[];
  /** How much of its GPU is its own, by its environment; null: it has its GPUs whole. */
  readonly memoryMiB: number | null;
}

/** Asks the kubelet who has what. Not while a pod is being admitted: the kubelet can lose ids that are just being given. */
export async function readHoldings(cluster: Cluster): Promise<readonly Holding[]> {
  return consult(cluster, ['pod-resources', cluster.paths.podResourcesSocket]);
}

/** Asks the kubelet which devices of a resource it would give out, held or not: the healthy ones. Sorted. */
export async function readAllocatable(cluster: Cluster, resource: string): Promise<readonly string[]> {
  const args = ['allocatable', cluster.paths.podResourcesSocket];
  return (await consult<Readonly<Record<string, readonly string[]>>>(cluster, args))[resource] ?? [];
}

/** Reads the kubelet's own records. It writes them at each allocation and at each list, not when a pod ends. */
export async function readCheckpoint(cluster: Cluster): Promise<readonly CheckpointEntry[]> {
  return consult(cluster, ['checkpoint', cluster.paths.checkpoint]);
}

/** Looks at the containers with GPUs themselves: all of them run at one and the same moment. */
export async function readRunningContainers({
  programs,
  supervisor,
}: Cluster): Promise<readonly RunningContainer[]> {
  const tasks = '/run/containerd/io.containerd.runtime.v2.task/k8s.io';
  const { code, stdout, stderr } = await supervisor.run([programs.path('oracle'), 'containers', tasks]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as readonly RunningContainer[];
}

/** The program behind it reads with Kubernetes' own message types; nothing of the agent's code has a part in it. */
async function consult<T>(cluster: Cluster, args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await execute(cluster.programs.path('oracle'), args, {});
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}
