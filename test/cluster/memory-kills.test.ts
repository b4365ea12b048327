import type { V1Pod } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import type { ClusterNode } from './support/cluster-node.ts';
import { memoryPod, memoryResource } from './support/memory-pods.ts';
import { memoryConfig, openV100Node, startMemoryAgent, v100OfferedMiB } from './support/memory-node.ts';
import type { CheckpointEntry } from './support/oracle.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod, gpuResource } from './support/pod-spec.ts';
import { identityOf } from './support/pods.ts';
import { keepLooking } from './support/share-watch.ts';
import { readShares, type Share } from './support/shares.ts';
import { waitFor } from './support/wait.ts';

/** Time between two pods: an admission takes longer on a busy machine, so that one is under way at each kill. */
const everyMs = 300;
/** Units of memory, or a whole GPU. */
const stream = [6, 9, 'whole', 4, 12, 3, 'whole', 8, 5, 10, 2, 'whole', 7, 4, 11] as const;
/** What is killed when so many pods of the stream have been made. */
const kills = new Map<number, readonly ('agent' | 'kubelet')[]>([
  [3, ['agent']],
  [7, ['kubelet']],
  [11, ['kubelet', 'agent']],
]);
/** Of pods that come while no agent is registered, or one is cut off: the kubelet's words; and of what has just ended: ours. */
const refusals =
  /no healthy devices present|requested number of devices unavailable|cannot allocate unregistered device|rpc error: code = (Unavailable|Canceled)|error reading from server|is held by|units? (is|are) held, and a GPU is given whole or by memory|all units of a container lie on one GPU|the agent on this node has just started/;

onCluster('agent and kubelet killed while pods come', () => {
  test(
    'no GPU is booked beyond what it has, what runs stays, and all is free in the end',
    { timeout: 240_000 },
    async () => {
      await using node = await openV100Node(4);
      let agent = await startMemoryAgent(node, { reservedPerGpu: '4Gi' });
      await waitForAmounts(node, { [memoryResource]: '31/112', [gpuResource]: '4/4' });
      const residents = await runBoth(node, 'kept', 'whole');
      await using watch = keepLooking(node, v100OfferedMiB);
      for (const [at, asked] of stream.entries()) {
        const name = `p${at}`;
        await node.pods.create(asked === 'whole' ? gpuPod(name, 1) : memoryPod(name, asked));
        await delay(everyMs);
        const killed = kills.get(at + 1);
        if (killed !== undefined) agent = await kill(node, agent, killed);
      }
      const pods = await waitUntilSettled(node, residents.length + 1);
      const failed = pods.filter(({ status }) => status?.phase === 'Failed');
      const running = pods.filter(({ status }) => status?.phase === 'Running');
      process.stderr.write(
        `${running.length} pods run, ${failed.length} were refused, ${watch.looks} looks\n`,
      );
      for (const { status } of failed) expect(status?.message).toMatch(refusals);
      expect(watch.overbooked, 'booked twice').toEqual([]);
      expect(watch.changed).toEqual([]);
      await agree(node, running);
      const after = await Promise.all(['kept', 'whole'].map((name) => node.pods.read(name)));
      expect(after.map(identityOf)).toEqual(residents.map(identityOf));

      await node.pods.deleteAll();
      await waitForAmounts(node, { [memoryResource]: '31/112', [gpuResource]: '4/4' });
      await runBoth(node, 'kept-again', 'whole-again');
      expect(watch.overbooked, 'booked twice').toEqual([]);
    },
  );
});

/** Runs a pod with memory and one with a whole GPU on a node that is calm and has room for them; rejects when one does not run. */
async function runBoth(node: ClusterNode, byMemory: string, whole: string): Promise<readonly V1Pod[]> {
  return [await node.pods.run(memoryPod(byMemory, 10)), await node.pods.run(gpuPod(whole, 1))];
}

/** Kills what is named, and starts it again at once; resolves with the agent that serves then. */
async function kill(
  node: ClusterNode,
  agent: AgentProcess,
  killed: readonly ('agent' | 'kubelet')[],
): Promise<AgentProcess> {
  const withKubelet = killed.includes('kubelet');
  if (withKubelet) await node.kubelet.stop('SIGKILL');
  let serving = agent;
  if (killed.includes('agent')) {
    agent.signal('SIGKILL');
    await agent.exit;
    serving = node.startAgent([await memoryConfig(node, { reservedPerGpu: '4Gi' })]);
  }
  if (withKubelet) await node.kubelet.start();
  return serving;
}

/** Every pod runs, has failed, or waits for room; and as many run as are wanted: that all are refused is no way to book nothing twice. */
async function waitUntilSettled(node: ClusterNode, wanted: number): Promise<readonly V1Pod[]> {
  const runs = ({ status }: V1Pod): boolean => (status?.containerStatuses ?? []).some(({ ready }) => ready);
  const isSettled = (pod: V1Pod): boolean =>
    pod.status?.phase === 'Failed' ||
    runs(pod) ||
    (pod.status?.conditions ?? []).some(({ reason }) => reason === 'Unschedulable');
  return waitFor(
    `every pod runs, has failed, or waits, and ${wanted} run`,
    () => node.pods.list(),
    (pods) => pods.every(isSettled) && pods.filter(runs).length >= wanted,
  );
}

/** The kubelet, its records and the containers say the same of each pod that runs. */
async function agree(node: ClusterNode, running: readonly V1Pod[]): Promise<void> {
  const holdings = await node.holdings();
  const shares = await readShares(node);
  for (const { metadata } of running) {
    const name = metadata?.name ?? '';
    const records = await node.recordsOf(metadata?.uid);
    const share = shares.find(({ pod }) => pod === name);
    expect(records.map(({ ids }) => ids)).toEqual([holdings[`${name}/main`]]);
    expect(records.map(describeRecord)).toEqual([{ gpus: share?.gpus, memoryMiB: share?.memoryMiB }]);
  }
}

/** What a container must see by the kubelet's record of it. */
function describeRecord({ resource, ids, annotations }: CheckpointEntry): Pick<Share, 'gpus' | 'memoryMiB'> {
  if (resource === gpuResource) return { gpus: ids, memoryMiB: null };
  const { gpus } = JSON.parse(annotations?.['slicewise.io/allocation'] ?? '') as { gpus: { uuid: string }[] };
  return { gpus: gpus.map(({ uuid }) => uuid), memoryMiB: ids.length * 1024 };
}
