import { describe, expect, it } from 'vitest';
import { gpuResource, openKubeletNode, type KubeletNode } from './support/kubelet-node.ts';

/** Indexes of the GPUs that a pod was given. */
async function give(node: KubeletNode, name: string, count: number): Promise<readonly number[]> {
  const pod = await node.admit(name, count);
  const given = pod.containers[0]?.given.get(gpuResource)?.ids ?? [];
  return given.map((id) => node.gpuIds.indexOf(id)).toSorted((a, b) => a - b);
}

describe('whole GPUs', () => {
  it('are given by how they are joined', async () => {
    await using node = await openKubeletNode({ gpus: { preset: 'v100x8-cube-mesh' } });
    await node.startServingAgent();
    // Two NVLinks join 2 and 3, and what is left is joined better than without any other such pair.
    const sets = [await give(node, 'two', 2), await give(node, 'four', 4), await give(node, 'rest', 2)];
    expect(sets).toEqual([
      [2, 3],
      [4, 5, 6, 7],
      [0, 1],
    ]);
    expect(node.kubelet.violations).toEqual([]);
  });

  it('of sixteen on two islands come from one', async () => {
    await using node = await openKubeletNode({ gpus: { preset: 'v100x16-cube-mesh' } });
    await node.startServingAgent();
    const islands = [await give(node, 'a', 8), await give(node, 'b', 8)];
    expect(islands).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7],
      [8, 9, 10, 11, 12, 13, 14, 15],
    ]);
  });
});

describe('time slices', () => {
  it.each([
    ['distributed', [0, 1, 0, 1]],
    ['packed', [0, 0, 0, 1]],
    ['spread', [0, 1, 0, 1]],
  ])('are given by the policy %s', async (policy, expected) => {
    await using node = await openKubeletNode({ gpus: 2 });
    const config = await node.writeConfig({
      version: 'v1',
      flags: { plugin: { sharedDevicesAllocationPolicy: policy } },
      sharing: { timeSlicing: { resources: [{ name: gpuResource, replicas: 3 }] } },
    });
    node.startAgent([`--config-file=${config}`]);
    await node.waitForStatus({ [gpuResource]: '6/6' });
    const given: number[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      const pod = await node.admit(name, 1);
      given.push(node.gpuIds.indexOf(node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? ''));
    }
    expect(given).toEqual(expected);
  });
});
