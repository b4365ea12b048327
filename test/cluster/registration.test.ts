import { expect, test } from 'vitest';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { type PluginCall, PluginProxy } from './support/plugin-proxy.ts';
import { gpuPod } from './support/pod-spec.ts';
import { waitFor } from './support/wait.ts';
import { ofGpus } from './support/log-lines.ts';

onCluster('a kubelet that cannot make a call of the agent', () => {
  test('GetDevicePluginOptions: refuses the registration, calls no more, offers nothing, until the agent has tried again', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await forgetEarlierLists(node);
    await using proxy = await PluginProxy.open(node.cluster.paths);
    proxy.judge = () => 'cut';
    const agent = node.startAgent(argsFor(proxy));
    const { msg } = await agent.waitForLog(ofGpus('not registered'));
    expect(msg).toContain('failed to get device plugin options');
    await waitUntilCalled(proxy, ({ connection }) => connection === 2);
    expect(proxy.calls.every(({ call }) => call === 1)).toBe(true);
    expect(await node.usable()).toEqual([]);
    await waitForNone(node);
    await recover(node, proxy);
    // Each reason is said once, though it was tried more often.
    const reasons = agent.log.filter(ofGpus('not registered')).map((line) => line.msg);
    expect(reasons).toEqual([...new Set(reasons)]);
  });

  test('ListAndWatch: 0 of 0, two calls and no retry of its own; the agent registers anew', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await forgetEarlierLists(node);
    await using proxy = await PluginProxy.open(node.cluster.paths);
    proxy.judge = ({ call }) => (call === 2 ? 'cut' : 'pass');
    node.startAgent(argsFor(proxy));
    await waitUntilCalled(proxy, ({ connection }) => connection === 2);
    const first = proxy.calls.filter(({ connection }) => connection === 1);
    expect(first.map(({ call }) => call)).toEqual([1, 2]);
    expect(await node.usable()).toEqual([]);
    await waitForNone(node);
    await recover(node, proxy);
  });

  test('ListAndWatch once the list is known: what it has stays on the node as capacity, and comes back', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await using proxy = await PluginProxy.open(node.cluster.paths);
    const agent = await node.startServingAgent(argsFor(proxy));
    await node.pods.run(gpuPod('resident', 1));
    const before = await node.holdings();
    proxy.judge = () => 'cut';
    proxy.disconnect();
    await node.waitForAmount({ capacity: 2, allocatable: 0 });
    await recover(node, proxy);
    expect(await node.holdings()).toMatchObject(before);
    expect(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

/** One resource, so that the kubelet's calls can be told apart. */
function argsFor(proxy: PluginProxy): readonly string[] {
  return [`--kubelet-socket=${proxy.kubeletSocket}`, '--memory-enabled=false'];
}

/** A kubelet counts for some minutes what an agent has listed, that of an earlier test too; a new one does not. */
async function forgetEarlierLists(node: ClusterNode): Promise<void> {
  await node.kubelet.restart('SIGTERM');
  await waitForNone(node);
}

/** 0 of 0, or not known at all where nobody has ever listed any. */
async function waitForNone(node: ClusterNode): Promise<void> {
  await waitFor(
    'the node has no GPUs',
    async () => node.amount(),
    ({ capacity, allocatable }) => (capacity ?? 0) === 0 && (allocatable ?? 0) === 0,
  );
}

async function waitUntilCalled(proxy: PluginProxy, accepts: (call: PluginCall) => boolean): Promise<void> {
  await waitFor(
    'the kubelet has called again',
    () => Promise.resolve(proxy.calls),
    (calls) => calls.some(accepts),
  );
}

/** With calls that arrive, all is as it should be, and a pod gets a GPU. */
async function recover(node: ClusterNode, proxy: PluginProxy): Promise<void> {
  proxy.judge = () => 'pass';
  await node.waitUntilAllUsable();
  await node.waitForAmount({ capacity: 2, allocatable: 2 });
  await node.pods.run(gpuPod('next', 1));
  expect(await node.pods.gpusSeenBy('next')).toEqual((await node.holdings())['next/main']);
}
