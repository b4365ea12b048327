import { describe, expect, inject, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { gpuPod } from './support/pod-spec.ts';

describe.skipIf(inject('clusterState') === null)('a pod with GPUs', () => {
  test('sees the GPU that the kubelet says it has, and no other', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    await node.pods.run(gpuPod('one', 1));
    await node.pods.run(gpuPod('two', 2));
    const holdings = await node.holdings();
    expect(holdings['one/main']).toHaveLength(1);
    expect(holdings['two/main']).toHaveLength(2);
    expect(new Set(Object.values(holdings).flat()).size).toBe(3);
    expect(node.gpus.ids).toEqual(expect.arrayContaining(Object.values(holdings).flat()));
    expect(await node.pods.gpusSeenBy('one')).toEqual(holdings['one/main']);
    expect(await node.pods.gpusSeenBy('two')).toEqual(holdings['two/main']);
  });
});
