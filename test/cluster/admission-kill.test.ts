import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { signalPrograms, startWithAgent } from './support/start-with-agent.ts';
import { PluginProxy } from './support/plugin-proxy.ts';
import { gpuPod } from './support/pod-spec.ts';
import { waitFor } from './support/wait.ts';

onCluster('a kubelet that is killed in the middle of an admission', () => {
  test.each(['the agent serves on', 'the agent is killed too'])(
    'after the agent has granted a GPU and before it hears of it; %s',
    async (how) => {
      await using node = await openClusterNode({ gpus: 3 });
      await using proxy = await PluginProxy.open(node.cluster.paths);
      const args = [`--kubelet-socket=${proxy.kubeletSocket}`];
      const agent = await node.startServingAgent(args);
      await node.pods.run(gpuPod('resident', 1));
      const before = proxy.calls.length;
      proxy.judge = () => (proxy.calls.length >= before + 1 ? 'hold' : 'pass');
      const { metadata } = await node.pods.create(gpuPod('interrupted', 1));
      await waitForGrants(agent, 2);
      // Asked for the preferred GPU, and for that one; the answer to the second has not come.
      expect(proxy.calls).toHaveLength(before + 2);
      expect(await node.recordsOf(metadata?.uid)).toEqual([]);

      await node.kubelet.stop('SIGKILL');
      proxy.judge = () => 'pass';
      if (how.includes('killed')) {
        agent.signal('SIGKILL');
        await agent.exit;
        await startWithAgent(node, node.startAgent(args));
      } else await startWithAgent(node, agent);
      await judge(node, metadata?.uid);
    },
  );

  test('while it waits for an agent that does not answer', async () => {
    await using node = await openClusterNode({ gpus: 3 });
    const agent = await node.startServingAgent();
    await node.pods.run(gpuPod('resident', 1));
    await signalPrograms(node, agentOf(node), 'STOP');
    const { metadata } = await node.pods.create(gpuPod('interrupted', 1));
    await node.pods.waitFor('interrupted', 'it is placed', ({ spec }) => spec?.nodeName !== undefined);
    // Time for the kubelet to come as far as it can.
    await delay(1000);
    expect((await node.pods.read('interrupted')).status?.containerStatuses).toBeUndefined();
    expect(await node.recordsOf(metadata?.uid)).toEqual([]);
    await node.kubelet.stop('SIGKILL');
    await signalPrograms(node, agentOf(node), 'CONT');
    await startWithAgent(node, agent);
    await judge(node, metadata?.uid);
    expect(agent.log.filter(({ msg }) => msg.startsWith('refused'))).toEqual([]);
  });
});

/** The interrupted pod runs, and nobody else has its GPU: by the kubelet, by its records, and by the containers. */
async function judge(node: ClusterNode, interrupted: string | undefined): Promise<void> {
  const { metadata } = await node.pods.waitUntilRunning('interrupted');
  expect(metadata?.uid).toBe(interrupted);
  await node.waitForAmount({ capacity: 3, allocatable: 3 });
  await node.pods.run(gpuPod('next', 1));
  const holdings = await node.holdings();
  expect(Object.keys(holdings).toSorted()).toEqual(['interrupted/main', 'next/main', 'resident/main']);
  expect(Object.values(holdings).flat().toSorted()).toEqual(node.gpus.ids.toSorted());
  for (const pod of await node.pods.list()) {
    const name = pod.metadata?.name ?? '';
    expect(await node.pods.gpusSeenBy(name)).toEqual(holdings[`${name}/main`]);
    const records = await node.recordsOf(pod.metadata?.uid);
    expect(records.map(({ ids }) => ids)).toEqual([holdings[`${name}/main`]]);
  }
}

async function waitForGrants(agent: AgentProcess, count: number): Promise<void> {
  const ask = (): Promise<number> =>
    Promise.resolve(agent.log.filter(({ msg }) => msg === 'allocated').length);
  await waitFor(`the agent has granted ${count} times`, ask, (granted) => granted === count);
}

function agentOf({ gpus }: ClusterNode): string {
  return `--scenario=${gpus.file}`;
}
