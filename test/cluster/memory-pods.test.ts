import { expect, test } from 'vitest';
import { clusterClient } from './node/readiness.ts';
import type { ClusterNode } from './support/cluster-node.ts';
import { memoryPod, memoryResource } from './support/memory-pods.ts';
import { openV100Node, startMemoryAgent, v100OfferedMiB } from './support/memory-node.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod, gpuResource } from './support/pod-spec.ts';
import { refusalOf } from './support/pods.ts';
import { applyPolicies } from './support/policies.ts';
import { findOverbooked, readShares, shareOf } from './support/shares.ts';
import { waitFor } from './support/wait.ts';

const requests = `requests.${memoryResource}`;
const reservation = { reservedPerGpu: '4Gi' };
/** Of four empty GPUs with 28 units each: what fits for certain, in requests of up to 28. */
const empty = { [memoryResource]: '31/112', [gpuResource]: '4/4' };

onCluster('GPU memory', () => {
  test('is given in shares of one GPU, beside whole GPUs, and each gigabyte once', async () => {
    await using node = await openV100Node(4);
    await startMemoryAgent(node, reservation);
    await waitForAmounts(node, empty);

    const [first] = [await node.pods.run(memoryPod('a', 10)), await node.pods.run(memoryPod('b', 10))];
    const pair = await readShares(node);
    const [a, b] = [shareOf(pair, 'a'), shareOf(pair, 'b')];
    expect(a.mib).toBe(10_240);
    expect(b).toEqual(a);
    const { stdout } = await node.pods.exec('a', 'echo $SLICEWISE_GPU_MEMORY_FRACTION');
    // Of the 32,768 MiB less what the driver keeps for itself.
    expect(stdout.trim()).toMatch(/^0\.31\d\d$/);
    const [entry, ...others] = await node.recordsOf(first.metadata?.uid);
    expect(others).toEqual([]);
    expect(entry?.resource).toBe(memoryResource);
    expect(JSON.parse(entry?.annotations?.['slicewise.io/allocation'] ?? '')).toMatchObject({
      version: 1,
      gpus: [{ uuid: a.gpu, mib: 10_240 }],
      units: { count: 10, mib: 1024 },
    });
    // Holes of 8 and three of 28: 3 + 27 are promised beside the 20 that are held.
    await waitForAmounts(node, { [memoryResource]: '50/112', [gpuResource]: '3/4' });

    await node.pods.run(gpuPod('whole', 1));
    const [whole = ''] = await node.pods.gpusSeenBy('whole');
    expect(whole).not.toBe(a.gpu);
    await waitForAmounts(node, { [memoryResource]: '49/112', [gpuResource]: '3/4' });

    await node.pods.run(memoryPod('rest', 8));
    await node.pods.run(memoryPod('c', 28));
    await node.pods.run(memoryPod('d', 28));
    await waitForAmounts(node, { [memoryResource]: '84/112', [gpuResource]: '1/4' });
    const shares = await readShares(node);
    expect(findOverbooked(shares, v100OfferedMiB), 'booked twice').toEqual([]);
    expect(shareOf(shares, 'rest').gpu).toBe(a.gpu);
    const full = ['c', 'd'].map((name) => shareOf(shares, name));
    expect(full.map(({ mib }) => mib)).toEqual([v100OfferedMiB, v100OfferedMiB]);
    expect([a.gpu, whole, ...full.map(({ gpu }) => gpu)].toSorted()).toEqual(node.gpus.ids.toSorted());
    const held = Object.entries(await node.holdings()).map(([who, ids]) => [who, ids.length]);
    expect(Object.fromEntries(held)).toEqual({
      'a/main': 10,
      'b/main': 10,
      'rest/main': 8,
      'c/main': 28,
      'd/main': 28,
      'whole/main': 1,
    });

    await node.pods.create(memoryPod('late', 1));
    const late = await node.pods.waitFor('late', 'it is looked at', ({ status }) =>
      (status?.conditions ?? []).some(({ reason }) => reason === 'Unschedulable'),
    );
    expect(JSON.stringify(late.status?.conditions)).toContain(`Insufficient ${memoryResource}`);
    await node.pods.deleteAll();
    await waitForAmounts(node, empty);
  });

  test('is limited by quota: the eleventh GiB of ten is refused by the API server', async () => {
    await using node = await openV100Node(1);
    await startMemoryAgent(node, reservation);
    await waitForAmounts(node, { [memoryResource]: '28/28' });
    await setQuota(node, { [requests]: '10' });
    await node.pods.run(memoryPod('a', 6));
    await node.pods.run(memoryPod('b', 4));
    expect(await refusalOf(node.pods.create(memoryPod('c', 1)))).toBe(
      `pods "c" is forbidden: exceeded quota: team, requested: ${requests}=1, used: ${requests}=10, limited: ${requests}=10`,
    );
    await node.pods.delete('b');
    await waitForUsed(node, '6');
    await node.pods.run(memoryPod('c', 1));
    expect(findOverbooked(await readShares(node), 7 * 1024), 'booked twice').toEqual([]);
  });

  test('is limited by a quota of "10Gi", with the policy for bytes', async () => {
    await using node = await openV100Node(1);
    const { config } = clusterClient(node.cluster.paths);
    await using policies = new AsyncDisposableStack();
    policies.use(await applyPolicies(config, ['gpu-memory-bytes.yaml']));
    await startMemoryAgent(node, reservation);
    await waitFor(
      'pods and quotas are converted',
      () => tryBytes(node),
      ({ pod, quota }) => {
        return pod === '6' && quota === '10';
      },
    );
    await setQuota(node, { [memoryResource]: '10Gi' });
    await node.pods.run(memoryPod('a', '6Gi'));
    await node.pods.run(memoryPod('b', '4Gi'));
    const shares = await readShares(node);
    expect(['a', 'b'].map((name) => shareOf(shares, name).mib)).toEqual([6 * 1024, 4 * 1024]);
    expect(await refusalOf(node.pods.create(memoryPod('c', '1Gi')))).toBe(
      `pods "c" is forbidden: exceeded quota: team, requested: ${requests}=1, used: ${requests}=10, limited: ${requests}=10`,
    );
  });
});

/** What the policies make of byte values at this moment; each counts from a moment of its own. */
async function tryBytes({
  api,
  namespace,
}: ClusterNode): Promise<Record<'pod' | 'quota', string | undefined>> {
  const dryRun = { namespace, dryRun: 'All' };
  const pod = await api.createNamespacedPod({ ...dryRun, body: memoryPod('a', '6Gi') });
  const quota = await api.createNamespacedResourceQuota({
    ...dryRun,
    body: teamQuota({ [memoryResource]: '10Gi' }),
  });
  return {
    pod: pod.spec?.containers[0]?.resources?.limits?.[memoryResource],
    quota: quota.spec?.hard?.[requests],
  };
}

function teamQuota(hard: Record<string, string>) {
  return { metadata: { name: 'team' }, spec: { hard } };
}

async function setQuota(node: ClusterNode, hard: Record<string, string>): Promise<void> {
  await node.api.createNamespacedResourceQuota({ namespace: node.namespace, body: teamQuota(hard) });
  await waitForUsed(node, '0');
}

async function waitForUsed({ api, namespace }: ClusterNode, used: string): Promise<void> {
  const ask = async () => (await api.readNamespacedResourceQuota({ namespace, name: 'team' })).status?.used;
  await waitFor(`${used} are used of the quota`, ask, (seen) => seen?.[requests] === used);
}
