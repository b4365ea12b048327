import { expect, test } from 'vitest';
import { memoryPod, memoryResource } from './support/memory-pods.ts';
import { openV100Node, startMemoryAgent, v100OfferedMiB } from './support/memory-node.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { startOtherPlugin } from './support/other-plugin.ts';
import { gpuPod, gpuResource } from './support/pod-spec.ts';
import { identityOf } from './support/pods.ts';
import { findOverbooked, readShares, shareOf } from './support/shares.ts';

onCluster('a GPU that another plugin has given out', () => {
  test('stays whole under the agent that takes over, and has memory to give when its pod has ended', async () => {
    await using node = await openV100Node(2);
    const other = await startOtherPlugin(node);
    await node.waitForAmount({ capacity: 2, allocatable: 2 });
    const before = await node.pods.run(gpuPod('old', 1));
    const [inherited = ''] = await node.pods.gpusSeenBy('old');
    expect((await node.recordsOf(before.metadata?.uid)).map(({ annotations }) => annotations)).toEqual([
      null,
    ]);
    await other[Symbol.asyncDispose]();
    await node.waitForAmount({ capacity: 2, allocatable: 0 });

    await startMemoryAgent(node, { reservedPerGpu: '4Gi' });
    await waitForAmounts(node, { [memoryResource]: '28/56', [gpuResource]: '2/2' });
    await node.pods.run(memoryPod('a', 20));
    await node.pods.run(memoryPod('b', 8));
    const shares = await readShares(node);
    expect(findOverbooked(shares, v100OfferedMiB), 'booked twice').toEqual([]);
    const elsewhere = node.gpus.ids.find((id) => id !== inherited);
    expect(['a', 'b'].map((name) => shareOf(shares, name).gpu)).toEqual([elsewhere, elsewhere]);
    await waitForAmounts(node, { [memoryResource]: '28/56', [gpuResource]: '1/2' });
    expect(identityOf(await node.pods.read('old'))).toEqual(identityOf(before));

    await node.pods.delete('old');
    await waitForAmounts(node, { [memoryResource]: '56/56', [gpuResource]: '1/2' });
    await node.pods.run(memoryPod('c', 28));
    expect(shareOf(await readShares(node), 'c')).toEqual({ gpu: inherited, mib: v100OfferedMiB });
    expect(findOverbooked(await readShares(node), v100OfferedMiB), 'booked twice').toEqual([]);
  });
});
