import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';

/** How long an id stays listed as Unhealthy before it may leave; the agent's promise. */
const leavingMs = 10_000;
/** The longest way of a free one: shown Unhealthy for 10 s, one look a second, one more second for the kubelet's records. */
const leavesWithinMs = 30_000;
/** A held one is asked for again every 30 s. */
const nextLookMs = 45_000;

// They mostly wait, so they wait together.
describe.concurrent('a GPU that is removed from the node', () => {
  it('is Unhealthy first and leaves no earlier than 10 s later', async ({ expect: check }) => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    await node.setGpu(1, 'absent');
    const unhealthy = await unhealthyFirst(node, node.gpuIds.length);
    const gone = await shrunkTo(node, node.gpuIds.length - 1, leavesWithinMs);
    check(gone.at - unhealthy.at).toBeGreaterThanOrEqual(leavingMs - 100);
    check(node.kubelet.devices(gpuResource).map(({ id }) => id)).not.toContain(node.gpuIds[1]);
    check(node.kubelet.nodeStatus()[gpuResource]).toEqual({ capacity: 3, allocatable: 3 });
    check(node.kubelet.violations).toEqual([]);
  });

  it('by the timeline of the scenario does the same, and is Healthy at once when it comes back', async ({
    expect: check,
  }) => {
    await using node = await openKubeletNode({
      gpus: {
        gpus: [{ model: 't4', count: 3 }],
        timeline: [
          { at: '4s', do: 'remove', gpu: 2 },
          { at: '7s', do: 'add', gpu: 2 },
        ],
      },
    });
    await node.startServingAgent();
    await unhealthyFirst(node, 3);
    await node.kubelet.waitForAllocatable(gpuResource, 3, patienceMs);
    await delay(leavingMs);
    check(node.happened('list').every(({ devices }) => devices === 3)).toBe(true);
  });

  it(
    'stays listed while a pod holds it, and leaves after the pod has gone',
    { timeout: 90_000 },
    async ({ expect: check }) => {
      await using node = await openKubeletNode({ gpus: 2 });
      const agent = await node.startServingAgent();
      const pods = [await node.admit('a', 1), await node.admit('b', 1)];
      const held = node.gpuIds[0];
      await node.setGpu(0, 'absent');
      await unhealthyFirst(node, 2);
      const holder = pods.find((pod) => pod.containers[0]?.given.get(gpuResource)?.ids.includes(held ?? ''));
      await node.kubelet.waitForEvent('pods-listed', { deadlineMs: leavesWithinMs });
      await delay(2500);
      check(node.kubelet.nodeStatus()[gpuResource]).toEqual({ capacity: 2, allocatable: 1 });
      check(holder?.phase).toBe('Running');
      if (holder !== undefined) node.kubelet.remove(holder);
      await shrunkTo(node, 1, nextLookMs);
      check(node.kubelet.devices(gpuResource).map(({ id }) => id)).toEqual([node.gpuIds[1]]);
      check(node.kubelet.crashed).toBeNull();
      await agent.waitForLog(({ msg }) => msg === 'devices that are no longer offered are off the list');
    },
  );

  it('stays listed while a pod holds it through a restart of the kubelet', async ({ expect: check }) => {
    await using node = await openKubeletNode({ gpus: 2 });
    const agent = await node.startServingAgent();
    const pod = await node.admit('p', 2);
    await node.setGpu(0, 'absent');
    await unhealthyFirst(node, 2);
    await node.kubelet.restart();
    await node.kubelet.waitForAllocatable(gpuResource, 1, patienceMs);
    await node.kubelet.waitForEvent('pods-listed', { deadlineMs: leavesWithinMs });
    await delay(2500);
    check(node.kubelet.nodeStatus()[gpuResource]).toEqual({ capacity: 2, allocatable: 1 });
    check(pod.phase).toBe('Running');
    check(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('stays listed while a pod holds it through a crash of the agent', async ({ expect: check }) => {
    await using node = await openKubeletNode({ gpus: 2 });
    const first = await node.startServingAgent();
    const pod = await node.admit('p', 2);
    await node.setGpu(0, 'absent');
    await unhealthyFirst(node, 2);
    first.signal('SIGKILL');
    await first.exit;
    await node.kubelet.waitForAllocatable(gpuResource, 0, patienceMs);
    const from = node.kubelet.events.length;
    node.startAgent();
    const list = await node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs });
    check([list.devices, list.healthy]).toEqual([2, 1]);
    check(pod.phase).toBe('Running');
    node.kubelet.remove(pod);
    await node.kubelet.waitUntil(
      () => node.kubelet.nodeStatus()[gpuResource]?.capacity === 1,
      leavesWithinMs,
      () => 'the device that nobody holds leaves',
    );
    check(node.kubelet.crashed).toBeNull();
  });

  it('never crashes the kubelet, with admissions going on and other GPUs coming and going', async ({
    expect: check,
  }) => {
    await using node = await openKubeletNode({ gpus: 6 });
    await node.startServingAgent();
    await node.setGpu(5, 'absent');
    await unhealthyFirst(node, 6);
    let after = 0;
    let admitted = 0;
    // Bursts of admissions, with pauses in which the agent finds the time to look at the kubelet's records.
    const end = performance.now() + leavesWithinMs + 10_000;
    while (after < 100 && performance.now() < end) {
      const pod = await node.admit(`p${admitted}`, 1 + (admitted % 3));
      if (admitted % 40 === 0) await node.setGpu(4, admitted % 80 === 0 ? 'lost' : 'present');
      await delay(admitted % 25 === 0 ? 1500 : 7);
      node.kubelet.remove(pod);
      admitted += 1;
      if (node.kubelet.devices(gpuResource).length < 6) after += 1;
    }
    check(node.kubelet.devices(gpuResource)).toHaveLength(5);
    check(admitted).toBeGreaterThan(100);
    check(node.kubelet.crashed).toBeNull();
    check(node.happened('crashed')).toEqual([]);
    check(node.kubelet.violations).toEqual([]);
    checkListsKeepAway(node);
  });
});

/** The kubelet is not asked for its pods while it waits for the plugin, nor within 100 ms of an answer. */
function checkListsKeepAway(node: KubeletNode): void {
  const listed = node.happened('pods-listed');
  expect(listed.length).toBeGreaterThan(0);
  const calls = [...node.happened('allocated'), ...node.happened('preferred')];
  for (const { at, openCalls } of listed) {
    expect(openCalls).toBe(0);
    const newest = Math.max(...calls.map((call) => call.at).filter((answeredAt) => answeredAt <= at));
    // A few milliseconds less than promised: both ends are seen from the kubelet's side.
    expect(at - newest).toBeGreaterThan(90);
  }
}

async function unhealthyFirst(node: KubeletNode, listed: number): Promise<{ at: number }> {
  return node.kubelet.waitForEvent('list', {
    deadlineMs: patienceMs,
    where: ({ devices, healthy }) => devices === listed && healthy === listed - 1,
  });
}

async function shrunkTo(node: KubeletNode, count: number, deadlineMs: number): Promise<{ at: number }> {
  return node.kubelet.waitForEvent('list', { deadlineMs, where: ({ devices }) => devices === count });
}
