import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { clusterClient } from './node/readiness.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, pod } from './support/pod-spec.ts';
import { applyDeployed } from './support/policies.ts';
import { mountAccount } from './support/service-account.ts';
import { sendStatusEvery } from './support/status-period.ts';
import { waitFor } from './support/wait.ts';

const memory = 'nvidia.com/gpu-memory';
const account = { namespace: 'kube-system', name: 'slicewise' };
/** Every key of a GPU with 80 units of 1 GiB. */
const gpuOf80 = { model: 'h100-80gb-hbm3', memoryTotalMiB: 80 * 1024, memoryReservedMiB: 0 };
/** Kubernetes' default. */
const periodSeconds = 10;

function memoryPod(name: string, units: number) {
  const main = { ...container('main', 0), resources: { limits: { [memory]: String(units) } } };
  return pod(name, { containers: [main] });
}

async function startAgent(
  node: ClusterNode,
  fastStatus: boolean,
  env: Readonly<Record<string, string>>,
): Promise<AgentProcess> {
  const path = join(dirname(node.gpus.file), 'config.yaml');
  const config = { version: 'v1', memory: { enabled: true }, cluster: { enabled: true, fastStatus } };
  await writeFile(path, JSON.stringify(config));
  const agent = node.startAgent([`--config-file=${path}`, '--log-level=debug'], env);
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', 60_000);
  return agent;
}

async function allocatable({ api }: ClusterNode): Promise<string> {
  const { status } = await api.readNode({ name: 'node1' });
  return `${status?.allocatable?.[memory] ?? 'none'}/${status?.capacity?.[memory] ?? 'none'}`;
}

/** Makes 16 pods of half a GPU each on eight GPUs, and resolves with the seconds until all run. */
async function fill(fastStatus: boolean): Promise<number> {
  await using node = await openClusterNode({ gpus: 8, gpu: gpuOf80 });
  const { config } = clusterClient(node.cluster.paths);
  await using held = new AsyncDisposableStack();
  held.use(await applyDeployed(config, ['fast-status/access.yaml']));
  held.use(await sendStatusEvery(node, periodSeconds));
  const { env } = held.use(await mountAccount(node, account));
  await startAgent(node, fastStatus, env);
  await waitFor(
    'memory is offered',
    async () => allocatable(node),
    (seen) => seen === '87/640',
  );
  const startedMs = performance.now();
  const names = Array.from({ length: 16 }, (_none, index) => `p${index}`);
  await Promise.all(names.map((name) => node.pods.create(memoryPod(name, 40))));
  await waitFor(
    'all run',
    async () => (await node.pods.list()).map(({ status }) => status?.phase),
    (phases) => phases.every((phase) => phase === 'Running' || phase === 'Failed'),
    180_000,
  );
  const seconds = (performance.now() - startedMs) / 1000;
  expect((await node.pods.list()).filter(({ status }) => status?.phase !== 'Running')).toEqual([]);
  await node.pods.deleteAll();
  return seconds;
}

onCluster("the node's allocatable ahead of the kubelet", () => {
  test('a node fills up as fast as pods start', { timeout: 400_000 }, async () => {
    const fast = await fill(true);
    process.stderr.write(`16 pods of 40 on 8 x 80: ${fast.toFixed(1)} s with fastStatus\n`);
    const slow = await fill(false);
    process.stderr.write(`16 pods of 40 on 8 x 80: ${slow.toFixed(1)} s without\n`);
    expect(fast).toBeLessThan(slow);
  });
});
