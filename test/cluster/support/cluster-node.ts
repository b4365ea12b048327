import type { CoreV1Api } from '@kubernetes/client-node';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type AgentProcess, startAgent } from '../../../src/simulator/agent-process.ts';
import { attachCluster, type Cluster } from '../node/cluster.ts';
import { node } from '../node/layout.ts';
import { clusterClient } from '../node/readiness.ts';
import { makeAgentContainer } from './agent-container.ts';
import type { AgentImage } from './agent-image-files.ts';
import { forgetEndedPods } from './forget-ended-pods.ts';
import { type KubeletProgram, kubeletProgram } from './kubelet-program.ts';
import { type CheckpointEntry, readAllocatable, readCheckpoint, readHoldings } from './oracle.ts';
import { clusterState } from './on-cluster.ts';
import { makeNamespace } from './own-namespace.ts';
import { printLastWords } from './last-words.ts';
import { gpuResource } from './pod-spec.ts';
import { Pods } from './pods.ts';
import { type SimulatedGpus, simulateGpus } from './simulated-gpus.ts';
import { patienceMs, waitFor } from './wait.ts';

/** How many GPUs the node has, and how many of them can be given out. `null`: the node does not know the resource. */
export interface Amount {
  readonly capacity: number | null;
  readonly allocatable: number | null;
}

/**
 * The shared cluster for one test: a namespace of its own, GPUs of its own, and the agents that it starts. Disposing ends the
 * pods and the agents, sees to it that the kubelet runs, and removes the rest.
 */
export interface ClusterNode extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly api: CoreV1Api;
  readonly namespace: string;
  readonly pods: Pods;
  readonly kubelet: KubeletProgram;
  readonly gpus: SimulatedGpus;
  /** Starts an agent on the node, in its image and with what the chart gives its container. */
  startAgent(args?: readonly string[], env?: Readonly<Record<string, string>>): AgentProcess;
  /** Starts an agent and waits until all GPUs can be given out. */
  startServingAgent(args?: readonly string[]): Promise<AgentProcess>;
  amount(): Promise<Amount>;
  /** Resolves when the node's status says so. */
  waitForAmount(amount: Amount, deadlineMs?: number): Promise<void>;
  /** Who has GPUs in this test's namespace, by pod and container: what the kubelet tells. */
  holdings(): Promise<Readonly<Record<string, readonly string[]>>>;
  /** The healthy GPUs by what the kubelet tells: sooner than the node's status, and empty while no plugin is registered. */
  usable(): Promise<readonly string[]>;
  /** Resolves when the kubelet would give out all GPUs again. */
  waitUntilAllUsable(deadlineMs?: number): Promise<void>;
  /** What the kubelet has written down for one of this test's pods. */
  recordsOf(podUid: string | undefined): Promise<readonly CheckpointEntry[]>;
}

export interface ClusterNodeOptions {
  /** How many GPUs the node has; 4 when left out. */
  readonly gpus?: number;
  /** Keys of every GPU, as in a scenario file. */
  readonly gpu?: object;
  /** Of the chart, where the agents need more than its defaults. */
  readonly values?: object;
}

export async function openClusterNode(options: ClusterNodeOptions = {}): Promise<ClusterNode> {
  const state = clusterState();
  if (state === null) throw new Error('There is no cluster; the test should have been skipped');
  return openNodeOf(await attachCluster(state), inject('agentImage'), options, printLastWords);
}

/** The same for a program that is no test. */
export async function openNodeOf(
  cluster: Cluster,
  image: AgentImage,
  options: ClusterNodeOptions = {},
  onOpen: typeof printLastWords = () => Promise.resolve(),
): Promise<ClusterNode> {
  const { api, config } = clusterClient(cluster.paths);
  const namespace = `t-${randomBytes(4).toString('hex')}`;
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const container = await makeAgentContainer(cluster, image, join(folder, 'container'), options.values).catch(
    async (thrown: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    },
  );
  // UUIDs of its own: what the kubelet still has written down of another test's pods is of other GPUs.
  const gpus = await simulateGpus(join(folder, 'node.json'), namespace, options.gpus ?? 4, options.gpu);
  await makeNamespace(api, namespace);
  const pods = new Pods(api, config, namespace);
  const kubelet = kubeletProgram(cluster);
  const agents: AgentProcess[] = [];
  await onOpen(cluster, agents, namespace);

  const amount = async (): Promise<Amount> => {
    const { status } = await api.readNode({ name: node.name });
    // Whole thousands are written as `20k`.
    const count = (text: string | undefined): number | null =>
      text === undefined ? null : Number(text.replace(/k$/, '000'));
    return {
      capacity: count(status?.capacity?.[gpuResource]),
      allocatable: count(status?.allocatable?.[gpuResource]),
    };
  };
  const waitForAmount = async (wanted: Amount, deadlineMs = patienceMs): Promise<void> => {
    const isSo = (seen: Amount): boolean =>
      seen.capacity === wanted.capacity && seen.allocatable === wanted.allocatable;
    await waitFor(`the node's status says ${JSON.stringify(wanted)}`, amount, isSo, deadlineMs);
  };
  const usable = async (): Promise<readonly string[]> => readAllocatable(cluster, gpuResource);
  const waitUntilAllUsable = async (deadlineMs = patienceMs): Promise<void> => {
    const all = gpus.ids.toSorted().join();
    await waitFor('the kubelet can give out all GPUs', usable, (ids) => ids.join() === all, deadlineMs);
  };
  const start: ClusterNode['startAgent'] = (args = [], env = {}) => {
    const agent = startAgent(
      container.program,
      [
        '--device-discovery-strategy=simulated',
        `--scenario=${gpus.file}`,
        '--rescan-interval=1s',
        `--state-dir=${join(folder, 'state')}`,
        `--cdi-root=${join(folder, 'cdi')}`,
        '--http-address=off',
        ...args,
      ],
      { ...container.env, ...env },
    );
    agents.push(agent);
    return agent;
  };

  return {
    cluster,
    api,
    namespace,
    pods,
    kubelet,
    gpus,
    startAgent: start,
    async startServingAgent(args) {
      const agent = start(args);
      await waitUntilAllUsable();
      await waitForAmount({ capacity: gpus.ids.length, allocatable: gpus.ids.length });
      return agent;
    },
    amount,
    waitForAmount,
    async holdings() {
      const mine = (await readHoldings(cluster)).filter((each) => each.namespace === namespace);
      return Object.fromEntries(mine.map((each) => [`${each.pod}/${each.container}`, each.ids]));
    },
    usable,
    waitUntilAllUsable,
    async recordsOf(podUid) {
      return (await readCheckpoint(cluster)).filter((entry) => entry.podUid === podUid);
    },
    async [Symbol.asyncDispose]() {
      if (!(await kubelet.runs())) await kubelet.start();
      await pods.deleteAll();
      await api.deleteNamespace({ name: namespace });
      await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()));
      // The next test shall not take these GPUs for its own.
      await waitFor('the node has nothing to give', amount, ({ allocatable }) => (allocatable ?? 0) === 0);
      await forgetEndedPods(cluster);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
