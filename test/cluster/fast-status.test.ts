import { AppsV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { node as nodeAt } from './node/layout.ts';
import { clusterClient } from './node/readiness.ts';
import { clientOfAccount } from './support/account-client.ts';
import { writeConfig } from './support/agent-config.ts';
import { takeAgentsPlace } from './support/agents-place.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { PodFates } from './support/fates.ts';
import { gpuOf80 } from './support/memory-node.ts';
import { memoryDeployment, memoryPod, memoryResource } from './support/memory-pods.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { refusalOf } from './support/pods.ts';
import { mountAccount } from './support/service-account.ts';
import { sendStatusEvery } from './support/status-period.ts';
import { patienceMs, waitFor } from './support/wait.ts';

/** Kubernetes' default. */
const periodSeconds = 10;
const works = "the node's allocatable is written ahead of the kubelet";
const isLeft = "the node's allocatable is left to the kubelet";

/** Starts an agent that writes the node's status with the account that is mounted, and waits until it knows what is held. */
async function startAgent(node: ClusterNode, env: Readonly<Record<string, string>>): Promise<AgentProcess> {
  const config = { memory: { enabled: true }, cluster: { enabled: true, fastStatus: true } };
  const agent = node.startAgent([await writeConfig(node, config)], env);
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
  return agent;
}

/** A node whose kubelet sends its status every 10 s, and an agent with the rights of deploy/fast-status. */
async function openSlowNode(gpus: number): Promise<ClusterNode> {
  await using held = new AsyncDisposableStack();
  const node = held.use(await openClusterNode({ gpus, gpu: gpuOf80 }));
  held.use(await sendStatusEvery(node, periodSeconds));
  const { env } = held.use(await takeAgentsPlace(node, ['fast-status/access.yaml']));
  const agent = await startAgent(node, env);
  await agent.waitForLog(({ msg }) => msg === works, patienceMs);
  const all = held.move();
  return { ...node, [Symbol.asyncDispose]: async () => all.disposeAsync() };
}

onCluster("the node's allocatable ahead of the kubelet", () => {
  test('a node fills up as fast as pods start, and none fails', { timeout: 300_000 }, async () => {
    await using node = await openSlowNode(8);
    await waitForAmounts(node, { [memoryResource]: '87/640' });
    await using fates = new PodFates(node);
    const startedMs = performance.now();
    const names = Array.from({ length: 16 }, (_none, index) => `p${index}`);
    await Promise.all(names.map((name) => node.pods.create(memoryPod(name, 40))));
    const phases = await waitFor(
      'all run',
      () => Promise.resolve(fates.phases),
      ({ running, failed }) => failed > 0 || running === names.length,
      180_000,
    );
    const seconds = (performance.now() - startedMs) / 1000;
    process.stderr.write(`16 pods of 40 units on 8 GPUs of 80 run after ${seconds.toFixed(1)} s\n`);
    expect(phases).toEqual({ running: names.length, pending: 0, failed: 0 });
    await waitForAmounts(node, { [memoryResource]: '640/640' });
    // By the kubelet's own reports alone it takes seven of its periods.
    expect(seconds).toBeLessThan(4.5 * periodSeconds);
  });

  test(
    'a Deployment that no hole is left for is refused for a moment only',
    { timeout: 300_000 },
    async () => {
      await using node = await openSlowNode(2);
      const { namespace, pods } = node;
      await waitForAmounts(node, { [memoryResource]: '81/160' });
      for (const units of [60, 20, 50, 30]) await pods.run(memoryPod(`p${units}`, units));
      await waitForAmounts(node, { [memoryResource]: '160/160' });
      const apps = clusterClient(node.cluster.paths).config.makeApiClient(AppsV1Api);
      await apps.createNamespacedDeployment({ namespace, body: memoryDeployment('waiting', 50) });
      await waitFor(
        'it waits',
        async () => pods.list(),
        (seen) => seen.some(({ status }) => status?.phase === 'Pending'),
      );
      await Promise.all(['p30', 'p20'].map(async (name) => pods.delete(name)));
      await using fates = new PodFates(node);
      const releasedMs = Date.now();
      await delay(2 * periodSeconds * 1000);
      const { phases, failed } = fates;
      const last = Math.max(0, ...[...failed.values()].map(({ refusedMs }) => refusedMs - releasedMs)) / 1000;
      process.stderr.write(
        `refused after the release: ${failed.size} pods, the last after ${last.toFixed(1)} s\n`,
      );
      await apps.deleteNamespacedDeployment({ namespace, name: 'waiting', propagationPolicy: 'Background' });
      expect(phases.running).toBe(2);
      expect(phases.pending).toBeGreaterThan(0);
      // Without, it goes on until the kubelet's next report.
      expect(last).toBeLessThanOrEqual(3);
    },
  );

  test('an agent without the right says what it lacks, and serves all the same', async () => {
    await using node = await openClusterNode({ gpus: 1, gpu: gpuOf80 });
    await using mounted = await mountAccount(node, { namespace: node.namespace, name: 'default' });
    const agent = await startAgent(node, mounted.env);
    const { msg } = await agent.waitForLog((line) => line.msg.startsWith(isLeft), patienceMs);
    expect(msg).toContain('cannot get resource "nodes/status" in API group "" at the cluster scope');
    expect(msg).toContain('it needs a ClusterRole with the verbs get and patch on nodes/status');
    await node.pods.run(memoryPod('served', 10));
    expect(agent.log.filter((line) => line.msg.startsWith(isLeft))).toHaveLength(1);
  });

  test('the policy leaves the agent its own node and its own resources', async () => {
    await using node = await openClusterNode({ gpus: 1, gpu: gpuOf80 });
    await using held = new AsyncDisposableStack();
    const files = ['fast-status/own-node.yaml', 'fast-status/access.yaml'];
    const { env } = held.use(await takeAgentsPlace(node, files, { isBound: true }));

    const asAgent = await clientOfAccount(node);
    const tryPatch = async (name: string, body: object): Promise<string> =>
      refusalOf(
        asAgent.patchNodeStatus(
          { name, body, dryRun: 'All' },
          setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
        ),
      );
    const others = { status: { allocatable: { cpu: '1' } } };
    await waitFor(
      'the policy counts',
      async () => tryPatch(nodeAt.name, others),
      (said) => said.includes('may change status.allocatable of resources of nvidia.com alone'),
    );
    for (const allocatable of [
      { cpu: null },
      { 'example.com/new': '1' },
      { cpu: '1', [memoryResource]: '9' },
    ])
      expect(await tryPatch(nodeAt.name, { status: { allocatable } })).toContain('nvidia.com alone');
    expect(await tryPatch(nodeAt.name, { metadata: { labels: { a: 'b' } } })).toContain('nvidia.com alone');
    expect(await tryPatch(nodeAt.name, { status: { capacity: { [memoryResource]: '9' } } })).toContain(
      'alone',
    );
    await node.api.createNode({ body: { metadata: { name: 'node2' } } });
    held.defer(async () => {
      await node.api.deleteNode({ name: 'node2' });
    });
    expect(await tryPatch('node2', { status: { allocatable: { [memoryResource]: '9' } } })).toContain(
      'the agent on node node1 may not change node node2',
    );

    const agent = await startAgent(node, env);
    await agent.waitForLog(({ msg }) => msg === works, patienceMs);
    // While an earlier test's pod is still booked, higher ids are listed, and a pod may get one and keep it listed.
    await waitForAmounts(node, { [memoryResource]: '80/80' });
    await node.pods.run(memoryPod('a', 30));
    await waitForAmounts(node, { [memoryResource]: '80/80' });
    expect(agent.log.filter(({ msg }) => msg.startsWith(isLeft))).toEqual([]);
  });
});
