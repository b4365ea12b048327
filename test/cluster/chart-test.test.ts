import { expect, test } from 'vitest';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { helm, type HelmEnd } from './support/helm.ts';
import { installChart, release } from './support/installed-chart.ts';
import { onCluster } from './support/on-cluster.ts';
import { ownNamespace } from './support/own-namespace.ts';
import { gpuPod } from './support/pod-spec.ts';
import { waitFor } from './support/wait.ts';

const testPod = `${release}-slicewise-test`;

/** Runs `helm test` as an admin would. */
async function helmTest({ cluster, namespace }: ClusterNode, timeout = '60s'): Promise<HelmEnd> {
  return helm(['test', release, '--namespace', namespace, '--logs', '--timeout', timeout], { cluster });
}

onCluster('helm test', () => {
  test('passes when the node can give what the agent offers, and leaves no rights behind', async () => {
    await using node = await openClusterNode();
    await using _ = await installChart(node);
    const { code, stdout, stderr } = await helmTest(node);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('node1: nvidia.com/gpu: 4 offered, 4 allocatable\n');
    expect(stdout).toMatch(/Phase:\s+Succeeded/);
    const { spec } = await node.pods.read(testPod);
    expect(spec?.containers[0]?.resources?.limits).toBeUndefined();
    const accounts = (await node.api.listNamespacedServiceAccount({ namespace: node.namespace })).items;
    expect(accounts.map(({ metadata }) => metadata?.name)).toEqual(['default']);
  });

  test('shows what a pod is given, and waits while there is nothing free', { timeout: 180_000 }, async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using _ = await installChart(node, { test: { limits: { 'nvidia.com/gpu': 1 } } });
    const given = await helmTest(node);
    expect({ code: given.code, stderr: given.stderr }).toEqual({ code: 0, stderr: '' });
    expect(given.stdout).toContain(`    NVIDIA_VISIBLE_DEVICES=${node.gpus.ids[0]}\n`);

    await node.pods.delete(testPod);
    await node.pods.run(gpuPod('holder', 1));
    const late = await helmTest(node, '5s');
    expect(late.code).toBe(1);
    const waiting = await node.pods.read(testPod);
    expect(waiting.status?.conditions?.[0]?.message).toContain('Insufficient nvidia.com/gpu');
  });

  test('fails when there is nothing to give, and says why', { timeout: 180_000 }, async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using _ = await installChart(node, { test: { patienceSeconds: 2 } });
    await node.gpus.set(0, 'lost');
    await node.waitForAmount({ capacity: 1, allocatable: 0 });
    const lost = await helmTest(node);
    expect(lost.code).toBe(1);
    expect(lost.stdout).toContain('node1: nvidia.com/gpu: 0 offered, 0 allocatable\n');
    expect(lost.stdout).toContain('FAILED: no node has anything to give\n');
  });

  test('finds agents in another namespace than the release', { timeout: 180_000 }, async () => {
    await using node = await openClusterNode();
    const elsewhere = `${node.namespace}-agents`;
    await using _ = await ownNamespace(node.api, elsewhere);
    const values = { namespaceOverride: elsewhere, config: { map: { default: 'version: v1' } } };
    await using installed = await installChart(node, values);
    const { code, stdout, stderr } = await helmTest(node);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('node1: nvidia.com/gpu: 4 offered, 4 allocatable\n');

    const { api } = node;
    const leftIn = async (namespace: string): Promise<readonly string[]> => {
      const lists = [
        await api.listNamespacedPod({ namespace }),
        await api.listNamespacedServiceAccount({ namespace }),
        await api.listNamespacedConfigMap({ namespace }),
      ];
      const names = lists.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name ?? ''));
      return names.filter((name) => !['default', 'kube-root-ca.crt'].includes(name));
    };
    expect(await leftIn(elsewhere)).toHaveLength(3);
    await installed[Symbol.asyncDispose]();
    await waitFor(
      'all is gone',
      () => leftIn(elsewhere),
      (left) => left.length === 0,
    );
    // What a test leaves is not the release's, so that its log can be read.
    expect(await leftIn(node.namespace)).toEqual([testPod]);
  });
});
