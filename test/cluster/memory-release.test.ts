import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { memoryPod, memoryResource } from './support/memory-pods.ts';
import { openV100Node, startMemoryAgent } from './support/memory-node.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuResource } from './support/pod-spec.ts';
import { readShares, shareOf } from './support/shares.ts';
import { waitFor } from './support/wait.ts';

/** What the kubelet was given less than 5 s ago is not freed yet, because its record can be older than that. */
const oldMs = 5500;

onCluster('a GPU whose last share has ended', () => {
  test('is offered whole again', async () => {
    await using node = await openV100Node(4);
    await startMemoryAgent(node, { reservedPerGpu: '4Gi' });
    await waitForAmounts(node, { [memoryResource]: '31/112' });
    const names = node.gpus.ids.map((_id, at) => `p${at}`);
    // No two fit on one GPU.
    for (const name of names) await node.pods.run(memoryPod(name, 20));
    const shares = await readShares(node);
    const gpus = names.map((name) => shareOf(shares, name).gpu);
    expect(gpus.toSorted()).toEqual(node.gpus.ids.toSorted());
    expect(await node.usable()).toEqual([]);
    await delay(oldMs);
    const seconds: number[] = [];
    for (const [at, name] of names.entries()) {
      await node.pods.delete(name);
      const goneMs = performance.now();
      await waitFor(
        `${name}'s GPU is offered whole`,
        () => node.usable(),
        (ids) =>
          ids.join() ===
          gpus
            .slice(0, at + 1)
            .toSorted()
            .join(),
      );
      seconds.push((performance.now() - goneMs) / 1000);
    }
    const shown = seconds.map((each) => each.toFixed(2)).join(', ');
    process.stderr.write(`from the pod object's end to the kubelet's list: ${shown} s\n`);
    await waitForAmounts(node, { [memoryResource]: '31/112', [gpuResource]: '4/4' });
  });
});
