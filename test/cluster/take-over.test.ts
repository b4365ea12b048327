import { expect, test } from 'vitest';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { waitFor } from './support/wait.ts';
import { ofGpus } from './support/log-lines.ts';

onCluster('a second agent on the node', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'takes over after %s while pods are being admitted, and no GPU is booked twice',
    async (signal) => {
      await using node = await openClusterNode({ gpus: 8 });
      const first = await node.startServingAgent();
      const standby = node.startAgent();
      await standby.waitForLog(({ msg }) => msg.startsWith('standing by'));
      const names = node.gpus.ids.map((_id, at) => `pod-${at}`);
      await Promise.all(names.slice(0, 3).map((name) => node.pods.run(gpuPod(name, 1))));

      const admitted = Promise.all(names.slice(3).map((name) => node.pods.create(gpuPod(name, 1))));
      first.signal(signal);
      await admitted;
      await standby.waitForLog(ofGpus('registered'));
      await node.waitUntilAllUsable();
      expect(await first.exit).toEqual(
        signal === 'SIGTERM' ? { code: 0, signal: null } : { code: null, signal: 'SIGKILL' },
      );

      // A pod that arrived between the two agents was refused by the kubelet; its controller would make it anew.
      for (const name of names) await settle(node, name);
      const holdings = await node.holdings();
      const ids = Object.values(holdings).flat();
      expect(
        ids.filter((id, at) => ids.indexOf(id) !== at),
        'booked twice',
      ).toEqual([]);
      expect(Object.keys(holdings)).toHaveLength(8);
      expect(ids.toSorted()).toEqual(node.gpus.ids.toSorted());
      for (const name of names) expect(await node.pods.gpusSeenBy(name)).toEqual(holdings[`${name}/main`]);
    },
  );
});

/** Resolves when the pod runs; one that was refused for want of an agent is made anew. */
async function settle(node: ClusterNode, name: string): Promise<void> {
  const ask = async () => (await node.pods.read(name)).status;
  const status = await waitFor(`${name} runs or has failed`, ask, (seen) =>
    /Running|Failed/.test(seen?.phase ?? ''),
  );
  if (status?.phase === 'Failed') {
    // No agent is registered, or the one that was asked is killed under the call.
    if (!/no healthy devices present|code = Unavailable/.test(status.message ?? ''))
      throw new Error(`${name}: ${status.message ?? ''}`);
    await node.pods.delete(name);
    await node.pods.create(gpuPod(name, 1));
  }
  await node.pods.waitUntilRunning(name);
}
