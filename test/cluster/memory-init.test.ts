import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { memoryContainer, memoryPod, memoryResource } from './support/memory-pods.ts';
import { gpuOf80, startMemoryAgent, waitForUsableUnits } from './support/memory-node.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuResource, pod, showAndEnd } from './support/pod-spec.ts';
import { identityOf } from './support/pods.ts';
import { startWithAgent } from './support/start-with-agent.ts';
import { findOverbooked, readShares, shareOf } from './support/shares.ts';

onCluster('an init container with less memory than the app', () => {
  test('fits into a hole that the app does not fit into, and the pod survives a restart of the kubelet', async () => {
    await using node = await openClusterNode({ gpus: 2, gpu: gpuOf80 });
    const agent = await startMemoryAgent(node);
    await waitForAmounts(node, { [memoryResource]: '81/160' });
    // Holes of 10 and 80.
    await node.pods.run(memoryPod('filler', 70));
    await waitForAmounts(node, { [memoryResource]: '150/160', [gpuResource]: '1/2' });
    const before = await node.pods.run(
      pod('staged', {
        initContainers: [memoryContainer('init', 10, showAndEnd)],
        containers: [memoryContainer('main', 30)],
      }),
    );
    const [small] = await node.pods.gpusSeenBy('staged', 'init');
    const shares = await readShares(node);
    const [filler, main] = [shareOf(shares, 'filler'), shareOf(shares, 'staged')];
    expect(small).toBe(filler.gpu);
    expect(main).toEqual({ gpu: node.gpus.ids.find((id) => id !== filler.gpu), mib: 30 * 1024 });
    expect(findOverbooked(shares, 80 * 1024), 'booked twice').toEqual([]);
    // The kubelet keeps the init container's units for the pod's whole life: the app has 10 of its ids, and they count on both GPUs.
    const booked = { [memoryResource]: '150/160', [gpuResource]: '0/2' };
    await waitForAmounts(node, booked);
    const records = await node.recordsOf(before.metadata?.uid);
    expect(Object.fromEntries(records.map(({ container, ids }) => [container, ids.length]))).toEqual({
      init: 10,
      main: 30,
    });

    await node.kubelet.stop('SIGKILL');
    await startWithAgent(node, agent, memoryResource);
    await waitForUsableUnits(node, 150);
    await waitForAmounts(node, booked);
    // When this one has come and gone the kubelet has looked at every pod again.
    await node.pods.create(memoryPodThatEnds('probe', 5));
    expect((await node.pods.waitUntilEnded('probe')).status?.phase).toBe('Succeeded');
    expect(await node.pods.gpusSeenBy('probe')).toEqual([main.gpu]);
    expect(identityOf(await node.pods.read('staged'))).toEqual(identityOf(before));
    expect(shareOf(await readShares(node), 'staged')).toEqual(main);

    await node.pods.deleteAll();
    await waitForAmounts(node, { [memoryResource]: '81/160', [gpuResource]: '2/2' });
  });
});

function memoryPodThatEnds(name: string, units: number) {
  return pod(name, { restartPolicy: 'Never', containers: [memoryContainer('main', units, showAndEnd)] });
}
