import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { PodFates } from './support/fates.ts';
import { memoryPod, memoryResource } from './support/memory-pods.ts';
import { gpuOf80, startMemoryAgent } from './support/memory-node.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { findOverbooked, readShares } from './support/shares.ts';
import { waitFor } from './support/wait.ts';

/** Long enough for the scheduler to try again, and for a pod that fails to be seen. */
const watchedMs = 8000;

onCluster('more pods than GPUs have room for', () => {
  test('of 24 with 30 units each 16 run on 8 GPUs of 80, the others wait, and none fails', async () => {
    await using node = await openClusterNode({ gpus: 8, gpu: gpuOf80 });
    await startMemoryAgent(node);
    // What fits for certain, in requests of up to 80: 8 × 1 + 79.
    await waitForAmounts(node, { [memoryResource]: '87/640' });
    await using fates = new PodFates(node);
    const names = Array.from({ length: 24 }, (_none, at) => `p${at}`);
    await Promise.all(names.map((name) => node.pods.create(memoryPod(name, 30))));
    await waitFor(
      '16 pods run',
      () => Promise.resolve(fates.phases),
      ({ running, failed }) => running >= 16 || failed > 0,
    );
    await delay(watchedMs);
    expect(fates.phases).toEqual({ running: 16, pending: 8, failed: 0 });
    expect([...fates.failed.values()]).toEqual([]);
    const shares = await readShares(node);
    expect(shares.map(({ memoryMiB }) => memoryMiB)).toEqual(names.slice(0, 16).map(() => 30 * 1024));
    expect(findOverbooked(shares, 80 * 1024), 'booked twice').toEqual([]);
    // Eight holes of 20 beside what is held.
    await waitForAmounts(node, { [memoryResource]: '500/640', 'nvidia.com/gpu': '0/8' });
  });
});
