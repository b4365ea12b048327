import { AppsV1Api } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Cluster } from './node/cluster.ts';
import { clusterClient } from './node/readiness.ts';
import { openNodeOf } from './support/cluster-node.ts';
import { PodFates } from './support/fates.ts';
import { memoryDeployment, memoryPod, memoryResource } from './support/memory-pods.ts';
import { gpuOf80, startMemoryAgent } from './support/memory-node.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { startOwnCluster } from './support/own-cluster.ts';
import { findOverbooked, readShares, shareOf } from './support/shares.ts';
import { waitFor } from './support/wait.ts';

/** How often a kubelet sends the node's status where nobody has changed it. */
const nodeStatusSeconds = 10;
/**
 * After a release the API server has the old figure until the next report, and the agent needs a moment to hear of the release; what it
 * sends meanwhile is refused at once.
 */
const staleMs = (nodeStatusSeconds + 3) * 1000;
/** How long a kubelet can take to report that it has refused a pod. */
const reportedMs = 12_000;
/** By the agent, or by the kubelet once it has the list that was made after the release. */
const refusedForTheHole = /the largest hole on the 2 GPUs of this node is 30|Requested: 50, Available: 30/;

onCluster("with Kubernetes' own period of the node status", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startOwnCluster({ kubelet: { nodeStatusSeconds } });
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test('a Deployment that no hole is left for stays Pending, and its pods fail no longer than the status is old', async () => {
    await using node = await openNodeOf(cluster, inject('agentImage'), { gpus: 2, gpu: gpuOf80 });
    await startMemoryAgent(node);
    await waitForAmounts(node, { [memoryResource]: '81/160' });
    for (const units of [50, 30, 60, 20]) await node.pods.run(memoryPod(`p${units}`, units));
    const shares = await readShares(node);
    const gpuOf = (units: number): string => shareOf(shares, `p${units}`).gpu;
    expect([gpuOf(30), gpuOf(20)]).toEqual([gpuOf(50), gpuOf(60)]);
    expect(findOverbooked(shares, 80 * 1024), 'booked twice').toEqual([]);
    await waitForAmounts(node, { [memoryResource]: '160/160' });

    const apps = clusterClient(cluster.paths).config.makeApiClient(AppsV1Api);
    const { namespace } = node;
    await apps.createNamespacedDeployment({ namespace, body: memoryDeployment('waiting', 50) });
    await waitFor(
      'the Deployment has a pod that waits',
      async () => node.pods.list(),
      (pods) => pods.some(({ metadata }) => metadata?.labels?.['app'] === 'waiting'),
    );
    await using fates = new PodFates(node);
    await Promise.all(['p30', 'p20'].map((name) => node.pods.delete(name)));
    const releasedMs = Date.now();
    await delay(staleMs + reportedMs);
    const failed = [...fates.failed.values()];
    const [last] = failed.map(({ refusedMs }) => (refusedMs - releasedMs) / 1000).toSorted((a, b) => b - a);
    const when = last === undefined ? '' : `, the last after ${last.toFixed(1)} s`;
    process.stderr.write(`refused after the release: ${failed.length} pods${when}\n`);
    const { phases } = fates;
    await apps.deleteNamespacedDeployment({ namespace, name: 'waiting', propagationPolicy: 'Background' });
    expect(failed.filter(({ refusedMs }) => refusedMs - releasedMs > staleMs)).toEqual([]);
    for (const { message } of failed) expect(message).toMatch(refusedForTheHole);
    expect(phases).toMatchObject({ running: 2, pending: 1 });
  }, 180_000);

  test('16 pods of 40 units run on 8 GPUs of 80 without a failure', async () => {
    await using node = await openNodeOf(cluster, inject('agentImage'), { gpus: 8, gpu: gpuOf80 });
    await startMemoryAgent(node);
    await waitForAmounts(node, { [memoryResource]: '87/640' });
    await using fates = new PodFates(node);
    const startedMs = performance.now();
    const names = Array.from({ length: 16 }, (_none, at) => `p${at}`);
    await Promise.all(names.map((name) => node.pods.create(memoryPod(name, 40))));
    await waitFor(
      'all run',
      () => Promise.resolve(fates.phases),
      ({ running, failed }) => running === 16 || failed > 0,
      180_000,
    );
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    process.stderr.write(`16 pods of 40 units on 8 GPUs of 80 run after ${seconds} s\n`);
    expect([...fates.failed.values()]).toEqual([]);
    expect(findOverbooked(await readShares(node), 80 * 1024), 'booked twice').toEqual([]);
  }, 300_000);
});
