import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { identityOf, isShownAs } from './support/pods.ts';

/** Longer than a GPU that has gone stays listed when nobody holds it. */
const leavingMs = 13_000;

onCluster('GPUs that break, return and vanish', () => {
  test('the only GPU turns bad and back', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await node.startServingAgent();
    await node.gpus.set(0, 'lost');
    await node.waitForAmount({ capacity: 1, allocatable: 0 });
    await node.gpus.set(0, 'present');
    await node.waitForAmount({ capacity: 1, allocatable: 1 });
  });

  test('of four GPUs one and then another turn bad, and the rest are given out', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    await node.gpus.set(1, 'lost');
    await node.waitForAmount({ capacity: 4, allocatable: 3 });
    await node.gpus.set(2, 'lost');
    await node.waitForAmount({ capacity: 4, allocatable: 2 });
    await node.pods.run(gpuPod('rest', 2));
    const [first = '', , , last = ''] = node.gpus.ids;
    expect(await node.pods.gpusSeenBy('rest')).toEqual([first, last].toSorted());
    await node.gpus.set(1, 'present');
    await node.gpus.set(2, 'present');
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
  });

  test("a GPU is lost under a running pod: the pod stays, its status tells, the node's capacity too", async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    const before = identityOf(await node.pods.run(gpuPod('victim', 1)));
    await node.pods.run(gpuPod('neighbour', 1));
    const [id = ''] = await node.pods.gpusSeenBy('victim');
    await node.pods.waitFor('victim', 'its status shows a healthy GPU', isShownAs(id, 'Healthy'));
    await node.gpus.set(node.gpus.ids.indexOf(id), 'lost');
    await node.waitForAmount({ capacity: 4, allocatable: 3 });
    const victim = await node.pods.waitFor('victim', 'its status shows it', isShownAs(id, 'Unhealthy'));
    expect(victim.status?.phase).toBe('Running');
    expect(identityOf(victim)).toEqual(before);
    const [other = ''] = await node.pods.gpusSeenBy('neighbour');
    expect(isShownAs(other, 'Healthy')(await node.pods.read('neighbour'))).toBe(true);
    await node.gpus.set(node.gpus.ids.indexOf(id), 'present');
    await node.pods.waitFor('victim', 'its status shows it well', isShownAs(id, 'Healthy'));
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
    expect(identityOf(await node.pods.read('victim'))).toEqual(before);
  });

  test('a GPU is removed: Unhealthy first, and off the list only when its pod has ended; pods come and go meanwhile', async () => {
    await using node = await openClusterNode();
    const agent = await node.startServingAgent();
    const before = identityOf(await node.pods.run(gpuPod('holder', 1)));
    const [id = ''] = await node.pods.gpusSeenBy('holder');
    const free = node.gpus.ids.find((each) => each !== id) ?? '';
    await node.gpus.set(node.gpus.ids.indexOf(free), 'absent');
    await node.waitForAmount({ capacity: 4, allocatable: 3 });
    await node.waitForAmount({ capacity: 3, allocatable: 3 });
    await node.gpus.set(node.gpus.ids.indexOf(id), 'absent');
    await node.waitForAmount({ capacity: 3, allocatable: 2 });
    for (const end = performance.now() + leavingMs; performance.now() < end; await delay(1000)) {
      const name = `passing-${Math.round(end - performance.now())}`;
      // The scheduler counts the holder against the healthy ones: of the two it gives out one.
      await node.pods.run(gpuPod(name, 1));
      await node.pods.delete(name);
      expect(await node.amount()).toEqual({ capacity: 3, allocatable: 2 });
    }
    expect(identityOf(await node.pods.read('holder'))).toEqual(before);
    await node.pods.delete('holder');
    await node.waitForAmount({ capacity: 2, allocatable: 2 });
    expect(await node.kubelet.runs()).toBe(true);
    expect(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
