import type { V1Pod } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { node as nodeLayout } from './node/layout.ts';
import { writeConfig } from './support/agent-config.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, pod } from './support/pod-spec.ts';
import { identityOf, refusalOf } from './support/pods.ts';
import { waitFor } from './support/wait.ts';

const [small, middle, big] = ['nvidia.com/mig-1g.10gb', 'nvidia.com/mig-2g.20gb', 'nvidia.com/mig-3g.40gb'];
/** How long a MIG instance that was made or destroyed may take to be seen in the node's status. */
const reshapedWithinMs = 20_000;

/** What can be given out of each resource, by the node's status. */
async function allocatable({ api }: ClusterNode, resource: string): Promise<number> {
  const { status } = await api.readNode({ name: nodeLayout.name });
  return Number(status?.allocatable?.[resource] ?? 0);
}

async function waitForAllocatable(node: ClusterNode, wanted: Record<string, number>, deadlineMs?: number) {
  const resources = Object.keys(wanted);
  const ask = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      await Promise.all(resources.map(async (each) => [each, await allocatable(node, each)] as const)),
    );
  const isSo = (seen: Record<string, number>): boolean =>
    resources.every((each) => seen[each] === wanted[each]);
  await waitFor(`the node's status says ${JSON.stringify(wanted)}`, ask, isSo, deadlineMs);
}

function podWith(name: string, resource: string, count = 1): V1Pod {
  const main = Object.assign(container('main', 0), { resources: { limits: { [resource]: String(count) } } });
  return pod(name, { containers: [main] });
}

onCluster('MIG instances', () => {
  test('are given to pods, limited by quota, and cut anew while a pod runs on a sibling', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    const gpu = { model: 'h100-80gb-hbm3' };
    await node.gpus.replace([{ ...gpu, mig: ['3g.40gb', '1g.10gb', '1g.10gb'] }]);
    node.startAgent(['--mig-strategy=mixed']);
    await waitForAllocatable(node, { [big]: 1, [small]: 2 });

    const requests = `requests.${small}`;
    await node.api.createNamespacedResourceQuota({
      namespace: node.namespace,
      body: { metadata: { name: 'team' }, spec: { hard: { [requests]: '1' } } },
    });
    const used = async () =>
      (await node.api.readNamespacedResourceQuota({ namespace: node.namespace, name: 'team' })).status?.used;
    await waitFor('the quota counts', used, (seen) => seen?.[requests] === '0');

    const training = await node.pods.run(podWith('training', big));
    await node.pods.run(podWith('small', small));
    const holdings = await node.holdings();
    for (const name of ['training', 'small']) {
      expect(holdings[`${name}/main`]).toHaveLength(1);
      expect(holdings[`${name}/main`]?.[0]).toMatch(/^MIG-/);
      expect(await node.pods.gpusSeenBy(name)).toEqual(holdings[`${name}/main`]);
    }
    expect(await refusalOf(node.pods.create(podWith('more', small)))).toBe(
      `pods "more" is forbidden: exceeded quota: team, requested: ${requests}=1, used: ${requests}=1, limited: ${requests}=1`,
    );

    await node.pods.delete('small');
    await node.gpus.replace([{ ...gpu, mig: ['3g.40gb', '2g.20gb'] }]);
    await waitForAllocatable(node, { [big]: 1, [middle]: 1, [small]: 0 }, reshapedWithinMs);
    await node.pods.run(podWith('next', middle));
    expect(await node.pods.gpusSeenBy('next')).toEqual((await node.holdings())['next/main']);
    expect(identityOf(await node.pods.read('training'))).toEqual(identityOf(training));
    expect((await node.holdings())['training/main']).toEqual(holdings['training/main']);
    await node.pods.deleteAll();
  });
});

onCluster('a resource of another name', () => {
  test('is a shared GPU, which as many pods have as the config says', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    const shared = 'nvidia.com/gpu.shared';
    const config = await writeConfig(node, {
      sharing: {
        timeSlicing: { renameByDefault: true, resources: [{ name: 'nvidia.com/gpu', replicas: 2 }] },
      },
    });
    node.startAgent([config]);
    await waitForAllocatable(node, { [shared]: 2 });
    await Promise.all(['a', 'b'].map((name) => node.pods.run(podWith(name, shared))));
    const seen = await Promise.all(['a', 'b'].map((name) => node.pods.gpusSeenBy(name)));
    expect(seen).toEqual([node.gpus.ids, node.gpus.ids]);
    await node.pods.create(podWith('late', shared));
    const late = await node.pods.waitFor('late', 'it is looked at', ({ status }) =>
      (status?.conditions ?? []).some(({ reason }) => reason === 'Unschedulable'),
    );
    expect(JSON.stringify(late.status?.conditions)).toContain(`Insufficient ${shared}`);
    await node.pods.deleteAll();
  });

  test('is a product that the config names', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    const named = 'nvidia.com/t4';
    const config = await writeConfig(node, { resources: { gpus: [{ pattern: '*T4', name: named }] } });
    node.startAgent([config]);
    await waitForAllocatable(node, { [named]: 2 });
    await node.pods.run(podWith('one', named));
    const [seen = ''] = await node.pods.gpusSeenBy('one');
    expect(node.gpus.ids).toContain(seen);
    expect((await node.holdings())['one/main']).toEqual([seen]);
    await node.pods.deleteAll();
  });
});
