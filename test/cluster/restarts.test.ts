import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { killAllContainers, killContainer } from './support/containers.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, gpuPod, pod, showAndEnd, sidecar } from './support/pod-spec.ts';
import { identityOf, restartsOf } from './support/pods.ts';
import { startWithAgent } from './support/start-with-agent.ts';
import { patienceMs } from './support/wait.ts';
import { ofGpus } from './support/log-lines.ts';

/** How long after a kubelet has made its socket all GPUs can be given out again, at most. */
const availableWithinMs = 5000;

/** Resolves when the kubelet would give out all GPUs, or rejects when that takes too long from the moment on. */
async function waitUntilAvailable(node: ClusterNode, sinceMs: number): Promise<void> {
  const leftMs = availableWithinMs - (performance.now() - sinceMs);
  expect(leftMs).toBeGreaterThan(0);
  await node.waitUntilAllUsable(leftMs);
}

const disturbances: Readonly<Record<string, (node: ClusterNode, agent: AgentProcess) => Promise<void>>> = {
  'a restart of the kubelet': async (node, agent) => restartKubelet(node, agent, 'SIGTERM'),
  'a crash of the kubelet': async (node, agent) => restartKubelet(node, agent, 'SIGKILL'),
  'a restart of the agent': async (node, agent) => {
    await end(agent, 'SIGTERM');
    node.startAgent();
    await node.waitUntilAllUsable();
  },
  'a crash of the agent': async (node, agent) => {
    await end(agent, 'SIGKILL');
    node.startAgent();
    await node.waitUntilAllUsable();
  },
  'a crash of both, the agent being there first': async (node, agent) => {
    await node.kubelet.stop('SIGKILL');
    await end(agent, 'SIGKILL');
    // A stopped kubelet leaves its socket behind, so the agent has tried it when it is ready for the next one.
    const next = node.startAgent();
    await next.waitForLog(ofGpus('not registered'), patienceMs);
    await waitUntilAvailable(node, await startWithAgent(node, next));
  },
};

/** The new kubelet admits the pod with an init container once more, and would refuse it if it knew of it before the agent. */
async function restartKubelet(
  node: ClusterNode,
  agent: AgentProcess,
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  await node.kubelet.stop(signal);
  await waitUntilAvailable(node, await startWithAgent(node, agent));
}

onCluster('what pods keep', () => {
  test.each(Object.keys(disturbances))('container and GPU, through %s', async (name) => {
    await using node = await openClusterNode();
    const agent = await node.startServingAgent();
    // The GPU of the init container goes to the app, and stays booked for the init container too after its end.
    const pods = [
      gpuPod('plain', 1),
      pod('staged', {
        initContainers: [container('init', 1, showAndEnd)],
        containers: [container('main', 1)],
      }),
      pod('helped', { initContainers: [sidecar('helper', 1)], containers: [container('main', 0)] }),
    ];
    await Promise.all(pods.map((each) => node.pods.run(each)));
    const before = await describeAll(node);

    await disturbances[name]?.(node, agent);
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
    // When this one has come and gone, the kubelet has looked at every pod again.
    await node.pods.create(
      pod('probe', { restartPolicy: 'Never', containers: [container('main', 1, showAndEnd)] }),
    );
    expect((await node.pods.waitUntilEnded('probe')).status?.phase).toBe('Succeeded');
    const [fresh] = await node.pods.gpusSeenBy('probe');
    await node.pods.delete('probe');

    expect(await describeAll(node)).toEqual(before);
    expect(Object.values(before.holdings).flat()).not.toContain(fresh);
  });

  test('its GPU, when the container is killed while the kubelet is down', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    const before = await node.pods.run(gpuPod('kept', 1));
    const holdings = await node.holdings();
    await node.kubelet.stop();
    await killContainer(node.cluster, before);
    await node.kubelet.start();
    const after = await node.pods.waitFor('kept', 'it has started again', (seen) => restartsOf(seen) === 1);
    expect(after.metadata?.uid).toBe(before.metadata?.uid);
    await node.pods.waitUntilRunning('kept');
    expect(await node.pods.gpusSeenBy('kept')).toEqual(holdings['kept/main']);
    expect(await node.holdings()).toEqual(holdings);
  });

  test('nothing new: a pod that has succeeded is left alone by a kubelet that finds no agent', async () => {
    await using node = await openClusterNode();
    const agent = await node.startServingAgent();
    await node.pods.create(
      pod('done', { restartPolicy: 'Never', containers: [container('main', 1, showAndEnd)] }),
    );
    const before = await node.pods.waitUntilEnded('done');
    expect(before.status?.phase).toBe('Succeeded');
    await end(agent, 'SIGTERM');
    await node.kubelet.restart('SIGTERM');
    await node.pods.run(pod('other', { containers: [container('main', 0)] }));
    const after = await node.pods.read('done');
    expect(after.status?.phase).toBe('Succeeded');
    expect(identityOf(after)).toEqual(identityOf(before));
  });

  test('nothing: the GPUs of pods that were deleted while the kubelet was down are free', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await node.startServingAgent();
    await node.pods.run(gpuPod('first', 1));
    const { metadata } = await node.pods.run(gpuPod('second', 1));
    await node.kubelet.stop('SIGKILL');
    await Promise.all(['first', 'second'].map((name) => node.pods.forget(name)));
    await waitUntilAvailable(node, await node.kubelet.start());
    // Of the pods in its first list from the API server a kubelet admits each before it knows which others are gone.
    await node.pods.run(pod('other', { containers: [container('main', 0)] }));
    await node.pods.run(gpuPod('next', 2));
    expect((await node.holdings())['next/main']).toEqual(node.gpus.ids.toSorted());
    expect(Object.keys(await node.holdings())).toEqual(['next/main']);
    expect(await node.recordsOf(metadata?.uid)).toEqual([]);
  });

  test('its GPU, through a reboot after which the agent is there before the kubelet', async () => {
    await using node = await openClusterNode();
    const agent = await node.startServingAgent();
    const before = await node.pods.run(gpuPod('booted', 1));
    const holdings = await node.holdings();
    await node.kubelet.stop();
    await end(agent, 'SIGKILL');
    await killAllContainers(node.cluster);
    await startWithAgent(node, node.startAgent());
    const after = await node.pods.waitFor('booted', 'it has started again', (seen) => restartsOf(seen) === 1);
    expect(after.metadata?.uid).toBe(before.metadata?.uid);
    await node.pods.waitUntilRunning('booted');
    expect(await node.pods.gpusSeenBy('booted')).toEqual(holdings['booted/main']);
    await node.pods.run(gpuPod('next', 3));
    expect((await node.holdings())['booted/main']).toEqual(holdings['booted/main']);
  });

  test('its booking, when after a reboot it cannot be admitted because no agent is there', async () => {
    await using node = await openClusterNode();
    const agent = await node.startServingAgent();
    const { metadata } = await node.pods.run(gpuPod('booted', 1));
    const [booked] = await node.recordsOf(metadata?.uid);
    await node.kubelet.stop();
    await end(agent, 'SIGKILL');
    await killAllContainers(node.cluster);
    await node.kubelet.start();
    const { status } = await node.pods.waitUntilEnded('booted');
    expect(status).toMatchObject({ phase: 'Failed', reason: 'UnexpectedAdmissionError' });
    expect(await node.recordsOf(metadata?.uid)).toEqual([booked]);
    expect(booked?.ids).toHaveLength(1);
    node.startAgent();
    await node.waitUntilAllUsable();
    await node.pods.run(gpuPod('replacement', 4));
  });
});

/** Every pod as it must stay, and who has what: by the kubelet, its records, and the containers themselves. */
async function describeAll(node: ClusterNode) {
  const pods = await node.pods.list();
  const records = await Promise.all(pods.map(({ metadata }) => node.recordsOf(metadata?.uid)));
  return {
    pods: Object.fromEntries(pods.map((each) => [each.metadata?.name, identityOf(each)])),
    holdings: await node.holdings(),
    records: records
      .flat()
      .toSorted((a, b) => `${a.podUid}${a.container}`.localeCompare(`${b.podUid}${b.container}`)),
  };
}

async function end(agent: AgentProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  agent.signal(signal);
  await agent.exit;
}
