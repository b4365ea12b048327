import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { chart, helmOrThrow } from './support/helm.ts';
import { installChart, release } from './support/installed-chart.ts';
import { memoryContainer, memoryPod, memoryResource } from './support/memory-pods.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { labelNode } from './support/node-labels.ts';
import { onCluster } from './support/on-cluster.ts';
import { startNvidiaPlugin, whyNoNvidiaPlugin } from './support/nvidia-plugin.ts';
import { startOtherPlugin } from './support/other-plugin.ts';
import { commandOf, runOnCluster } from './support/page-commands.ts';
import { container, gpuPod, gpuResource, pod } from './support/pod-spec.ts';
import { identityOf } from './support/pods.ts';

/** The page's own command, run as it stands there. */
async function listMemoryPods(node: ClusterNode): Promise<readonly string[]> {
  const command = await commandOf('migrate-from-nvidia.md', 'kubectl get pods --all-namespaces');
  const lines = (await runOnCluster(node, command)).split('\n');
  return lines.filter((line) => line.startsWith(`${node.namespace}/`)).toSorted();
}

/** NVIDIA's own plugin; where it could not be built one that does the same as far as a pod can see, and that is said. */
async function startTheirs(node: ClusterNode): Promise<AsyncDisposable> {
  const reason = await whyNoNvidiaPlugin(node);
  if (reason === null) return startNvidiaPlugin(node);
  process.stderr.write(`not NVIDIA's plugin but a stand-in for it: ${reason}\n`);
  return startOtherPlugin(node);
}

onCluster("a move from NVIDIA's plugin, and back", () => {
  test('leaves every pod its GPU, and gives no GPU to two', { timeout: 240_000 }, async () => {
    await using node = await openClusterNode({ gpus: 3, gpu: { model: 'v100-sxm2-32gb' } });
    await using held = new AsyncDisposableStack();
    held.use(await labelNode(node, { 'nvidia.com/gpu.present': 'true' }));
    const theirs = await startTheirs(node);
    await node.waitForAmount({ capacity: 3, allocatable: 3 });
    const before = identityOf(await node.pods.run(gpuPod('old', 1)));
    const old = await node.pods.gpusSeenBy('old');
    await theirs[Symbol.asyncDispose]();
    await node.waitForAmount({ capacity: 3, allocatable: 0 });

    const chartInstalled = await installChart(node, {}, join(chart, 'examples/from-nvidia.yaml'));
    held.use(chartInstalled);
    await waitForAmounts(node, { [gpuResource]: '3/3', [memoryResource]: '32/93' });
    await node.pods.run(gpuPod('new', 1));
    await node.pods.run(memoryPod('share', 10));
    const used = [...old, ...(await node.pods.gpusSeenBy('new'))];
    expect(new Set(used).size).toBe(2);
    expect(identityOf(await node.pods.read('old'))).toEqual(before);

    const where = ['--namespace', node.namespace, '--reuse-values', '--wait', '--timeout', '90s'];
    const { cluster } = node;
    const without = ['--set', 'memory.enabled=false', '--set', 'policies.bytes=false'];
    await helmOrThrow(['upgrade', release, chart, ...where, ...without], { cluster });
    await waitForAmounts(node, { [gpuResource]: '2/3', [memoryResource]: '10/10' });
    // It waits for a node for ever: what counts is that it is found.
    await node.pods.create(
      pod('first', { initContainers: [memoryContainer('init', 5)], containers: [container('main', 0)] }),
    );
    expect(await listMemoryPods(node)).toEqual([`${node.namespace}/first: 5`, `${node.namespace}/share: 10`]);
    await node.pods.delete('share');
    await node.pods.delete('first');
    expect(await listMemoryPods(node)).toEqual([]);
    await waitForAmounts(node, { [gpuResource]: '3/3' });
    await chartInstalled[Symbol.asyncDispose]();
    await node.waitForAmount({ capacity: 3, allocatable: 0 });

    held.use(await startTheirs(node));
    await node.waitForAmount({ capacity: 3, allocatable: 3 });
    await node.pods.run(gpuPod('last', 1));
    const all = [...used, ...(await node.pods.gpusSeenBy('last'))];
    expect(all.toSorted()).toEqual(node.gpus.ids.toSorted());
    expect(identityOf(await node.pods.read('old'))).toEqual(before);
  });

  test('leaves every pod its time slice', { timeout: 240_000 }, async ({ skip }) => {
    await using node = await openClusterNode({ gpus: 2, gpu: { model: 'v100-sxm2-32gb' } });
    const reason = await whyNoNvidiaPlugin(node);
    if (reason !== null) process.stderr.write(`skipped: time slices of NVIDIA's plugin: ${reason}\n`);
    skip(reason !== null, reason ?? '');
    const config =
      'version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}\n';
    await using held = new AsyncDisposableStack();
    held.use(await labelNode(node, { 'nvidia.com/gpu.present': 'true' }));
    const theirs = await startNvidiaPlugin(node, { config });
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
    const before = identityOf(await node.pods.run(gpuPod('old', 1)));
    const { 'old/main': [slice = ''] = [] } = await node.holdings();
    expect(slice).toMatch(/^GPU-[0-9a-f-]{36}::[01]$/);
    await theirs[Symbol.asyncDispose]();
    await node.waitForAmount({ capacity: 4, allocatable: 0 });

    const values = { config: { map: { default: config } } };
    const chartInstalled = await installChart(node, values, join(chart, 'examples/from-nvidia.yaml'));
    held.use(chartInstalled);
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
    for (const name of ['new-1', 'new-2']) await node.pods.run(gpuPod(name, 1));
    const held3 = Object.values(await node.holdings()).flat();
    expect(new Set(held3).size).toBe(3);
    expect((await node.holdings())['old/main']).toEqual([slice]);
    const during = identityOf(await node.pods.read('new-1'));
    await chartInstalled[Symbol.asyncDispose]();
    await node.waitForAmount({ capacity: 4, allocatable: 0 });

    held.use(await startNvidiaPlugin(node, { config }));
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
    await node.pods.run(gpuPod('last', 1));
    const all = Object.values(await node.holdings()).flat();
    expect(all.toSorted()).toEqual(node.gpus.ids.flatMap((id) => [`${id}::0`, `${id}::1`]).toSorted());
    expect(identityOf(await node.pods.read('old'))).toEqual(before);
    expect(identityOf(await node.pods.read('new-1'))).toEqual(during);
  });
});
