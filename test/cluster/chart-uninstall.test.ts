import type { V1Node } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { node as nodeAt } from './node/layout.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { helmOrThrow } from './support/helm.ts';
import { installChart, release } from './support/installed-chart.ts';
import { onCluster } from './support/on-cluster.ts';
import { commandOf, runOnCluster } from './support/page-commands.ts';
import { waitFor } from './support/wait.ts';

const page = 'migrate-from-nvidia.md';
const told = { gfd: { enabled: true }, health: { condition: true, events: true } };

/** Runs a command of the page, with the names of this test in the place of the page's. */
async function runOfPage(node: ClusterNode, beginning: string): Promise<string> {
  const command = (await commandOf(page, beginning))
    .replace('daemonset slicewise', `daemonset ${release}-slicewise`)
    .replace('nvidia-device-plugin', node.namespace)
    .replace('gpu-7', nodeAt.name);
  return runOnCluster(node, command);
}

/** What agents have written on the node. */
async function tellingOf({ api }: ClusterNode): Promise<readonly string[]> {
  const { metadata, status }: V1Node = await api.readNode({ name: nodeAt.name });
  const labels = Object.keys(metadata?.labels ?? {}).filter((name) => name.startsWith('nvidia.com/'));
  const conditions = (status?.conditions ?? []).map(({ type }) => type);
  return [...labels, ...conditions.filter((type) => type.startsWith('GPU'))];
}

async function waitUntilTold(node: ClusterNode): Promise<void> {
  const isTold = (telling: readonly string[]) =>
    telling.includes('nvidia.com/gpu.count') && telling.includes('GPUUnhealthy');
  await waitFor('the node has labels and the condition', async () => tellingOf(node), isTold);
}

onCluster('what an uninstallation of the chart leaves', () => {
  test('is no label and no condition, when the DaemonSet goes first', { timeout: 180_000 }, async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using _ = await installChart(node, told);
    await waitUntilTold(node);
    await runOfPage(node, 'kubectl delete daemonset');
    expect(await tellingOf(node)).toEqual([]);
    const { items } = await node.api.listNamespacedPod({ namespace: node.namespace });
    expect(items).toEqual([]);
    await helmOrThrow(['uninstall', release, '--namespace', node.namespace], { cluster: node.cluster });
  });

  test('is cleared by the commands of the page otherwise', { timeout: 180_000 }, async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using _ = await installChart(node, told);
    await waitUntilTold(node);
    const before = await node.api.readNode({ name: nodeAt.name });
    await helmOrThrow(['uninstall', release, '--namespace', node.namespace], { cluster: node.cluster });
    await waitFor(
      'the agent has ended',
      async () => (await node.api.listNamespacedPod({ namespace: node.namespace })).items,
      (pods) => pods.length === 0,
    );
    // Its rights were gone before it.
    expect(await tellingOf(node)).toEqual(expect.arrayContaining(['nvidia.com/gpu.count', 'GPUUnhealthy']));
    await runOfPage(node, 'echo ');
    await runOfPage(node, 'kubectl patch node');
    await runOnCluster(node, 'kubectl delete events --all-namespaces --field-selector=source=slicewise');
    expect(await tellingOf(node)).toEqual([]);
    const kept = Object.keys(before.metadata?.labels ?? {}).filter((name) => !name.startsWith('nvidia.com/'));
    expect(Object.keys((await node.api.readNode({ name: nodeAt.name })).metadata?.labels ?? {})).toEqual(
      expect.arrayContaining(kept),
    );
  });
});
