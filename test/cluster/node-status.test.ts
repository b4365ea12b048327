import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod, gpuResource, pod, container } from './support/pod-spec.ts';
import { refusalOf } from './support/pods.ts';
import { waitFor } from './support/wait.ts';
import { ofGpus } from './support/log-lines.ts';

const requests = `requests.${gpuResource}`;

onCluster("a node's GPUs in Kubernetes' own bookkeeping", () => {
  test('the node offers them within 2 s of the first list', async () => {
    await using node = await openClusterNode({ gpus: 3 });
    const agent = node.startAgent();
    await agent.waitForLog(ofGpus('registered'));
    await node.waitForAmount({ capacity: 3, allocatable: 3 }, 2000);
  });

  test('a pod that asks for more than there is stays Pending, with the reason', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await node.startServingAgent();
    await node.pods.create(gpuPod('large', 3));
    const { status } = await node.pods.waitFor('large', 'it cannot be placed', (seen) =>
      (seen.status?.conditions ?? []).some(({ reason }) => reason === 'Unschedulable'),
    );
    expect(status?.phase).toBe('Pending');
    expect(JSON.stringify(status?.conditions)).toContain(`1 Insufficient ${gpuResource}`);
  });

  test('a ResourceQuota refuses the pod that exceeds it, with the figures, and lets it in when there is room', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    await node.api.createNamespacedResourceQuota({
      namespace: node.namespace,
      body: { metadata: { name: 'team' }, spec: { hard: { [requests]: '2' } } },
    });
    const readQuota = async () =>
      node.api.readNamespacedResourceQuota({ namespace: node.namespace, name: 'team' });
    await waitFor('the quota counts', readQuota, ({ status }) => status?.used?.[requests] === '0');
    await node.pods.run(gpuPod('first', 2));
    expect(await refusalOf(node.pods.create(gpuPod('second', 1)))).toBe(
      `pods "second" is forbidden: exceeded quota: team, requested: ${requests}=1, used: ${requests}=2, limited: ${requests}=2`,
    );
    await node.pods.delete('first');
    await waitFor('the quota is free again', readQuota, ({ status }) => status?.used?.[requests] === '0');
    await node.pods.run(gpuPod('second', 1));
  });

  test('a LimitRange gives GPUs to a container that asks for none, and refuses one that asks for too many', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    await node.api.createNamespacedLimitRange({
      namespace: node.namespace,
      body: {
        metadata: { name: 'per-container' },
        spec: {
          limits: [{ type: 'Container', _default: { [gpuResource]: '1' }, max: { [gpuResource]: '2' } }],
        },
      },
    });
    await node.pods.run(pod('silent', { containers: [container('main', 0)] }));
    expect(await node.pods.gpusSeenBy('silent')).toEqual((await node.holdings())['silent/main']);
    expect((await node.holdings())['silent/main']).toHaveLength(1);
    await node.pods.run(gpuPod('fitting', 2));
    expect(await refusalOf(node.pods.create(gpuPod('greedy', 3)))).toContain(
      `maximum ${gpuResource} usage per Container is 2, but limit is 3`,
    );
  });
});
