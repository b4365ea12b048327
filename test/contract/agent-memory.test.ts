import { describe, expect, it } from 'vitest';
import type { Pod } from '../../src/simulator/kubelet/pod.ts';
import { gpuResource, type KubeletNode, openKubeletNode, patienceMs } from './support/kubelet-node.ts';

const memory = 'nvidia.com/gpu-memory';
/** Of a GPU with 32 GiB of which 4 are reserved. */
const unitsPerGpu = 28;

/** A node with GPUs of 32 GiB, 4 of them reserved, and an agent that offers their memory. */
async function openMemoryNode(gpus: number, config: object = {}): Promise<KubeletNode> {
  const node = await openKubeletNode({
    gpus: { gpus: [{ model: 'v100-sxm2-32gb', count: gpus }] },
    memory: true,
  });
  await node.writeConfig({
    version: 'v1',
    memory: { reservedPerGpu: '4Gi', ...config },
  });
  return node;
}

async function serve(node: KubeletNode) {
  const agent = await node.startServingAgent([`--config-file=${node.folder}/config.yaml`]);
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
  return agent;
}

/** The GPU of a pod, and how many MiB it may use there. */
function shareOf(node: KubeletNode, pod: Pod): { readonly gpu: string; readonly mib: number } {
  const { envs } = node.answerOf(pod);
  return {
    gpu: envs['NVIDIA_VISIBLE_DEVICES'] ?? '',
    mib: Number(envs['SLICEWISE_GPU_MEMORY_MIB']),
  };
}

describe('GPU memory', () => {
  it('goes to one GPU until that is full, and the others stay whole', { timeout: 90_000 }, async () => {
    await using node = await openMemoryNode(2, { maxPerContainer: '10Gi' });
    await serve(node);
    // Of any 47 units in requests of at most 10 each finds a place: 2 × 19 + 9.
    await node.waitForStatus({ [memory]: '47/56', [gpuResource]: '2/2' });
    const pods = [await node.admit('a', 10, memory), await node.admit('b', 10, memory)];
    const [a, b] = pods.map((pod) => shareOf(node, pod));
    expect(a).toEqual({ gpu: a?.gpu, mib: 10_240 });
    expect(b).toEqual(a);
    expect(node.answerOf(pods[0] as Pod).envs['SLICEWISE_GPU_MEMORY_FRACTION']).toMatch(/^0\.3\d{3}$/);
    // 36 free: one hole of 8 and one of 28, so 19 + 9 and no more are promised; 20 are held.
    await node.waitForStatus({ [memory]: '48/56', [gpuResource]: '1/2' });

    const whole = await node.admit('whole', 1);
    expect(node.answerOf(whole).envs['NVIDIA_VISIBLE_DEVICES']).not.toBe(a?.gpu);
    await node.waitForStatus({ [memory]: '28/56', [gpuResource]: '1/2' });

    const full = await node.admit('c', 8, memory);
    expect(shareOf(node, full)).toEqual({ gpu: a?.gpu, mib: 8192 });
    const none = await node.admit('none', 1, memory);
    expect(none).toMatchObject({ phase: 'Failed' });

    // What ends before a List has shown it is waited for.
    await node.kubelet.waitForEvent('pods-listed', { deadlineMs: patienceMs });
    for (const pod of [...pods, full]) node.kubelet.remove(pod);
    await node.waitForStatus({ [memory]: `${unitsPerGpu}/56`, [gpuResource]: '2/2' });
    node.kubelet.remove(whole);
    await node.waitForStatus({ [memory]: '47/56', [gpuResource]: '2/2' });
    expect(node.kubelet.violations).toEqual([]);
  });

  it('is remembered by an agent that was killed', { timeout: 90_000 }, async () => {
    await using node = await openMemoryNode(2, { maxPerContainer: '14Gi' });
    const first = await serve(node);
    await node.kubelet.waitForAllocatable(memory, 43, patienceMs);
    const pods = [await node.admit('a', 14, memory), await node.admit('b', 9, memory)];
    const [a, b] = pods.map((pod) => shareOf(node, pod));
    expect(a?.gpu).toBe(b?.gpu);
    first.signal('SIGKILL');
    await first.exit;
    const second = node.startAgent([`--config-file=${node.folder}/config.yaml`]);
    await second.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
    await node.kubelet.waitForAllocatable(memory, 23 + 28, patienceMs);
    // 5 are free beside them, and 6 are not.
    expect(shareOf(node, await node.admit('c', 6, memory)).gpu).not.toBe(a?.gpu);
    expect(shareOf(node, await node.admit('d', 5, memory)).gpu).toBe(a?.gpu);
    expect(node.kubelet.violations).toEqual([]);
  });

  it('leaves a GPU to the pod that comes after a short one', { timeout: 90_000 }, async () => {
    await using node = await openMemoryNode(1);
    await serve(node);
    for (const name of ['one', 'two', 'three']) {
      const pod = await node.admit(name, 1);
      expect(pod).toMatchObject({ name, phase: 'Running', message: '' });
      // A List shows it, so that it is known to be held.
      const from = node.kubelet.events.length;
      await node.kubelet.waitForEvent('pods-listed', { from, deadlineMs: patienceMs });
      node.kubelet.remove(pod);
    }
    expect(node.kubelet.violations).toEqual([]);
  });

  it(
    'leaves a GPU to the next pod, though the kubelet is still writing down the last one',
    { timeout: 90_000 },
    async () => {
      await using node = await openMemoryNode(2);
      await serve(node);
      const pod = await node.admit('one', 1);
      const held = node.gpuIds.indexOf(node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? '');
      await node.kubelet.waitForEvent('pods-listed', {
        from: node.kubelet.events.length,
        deadlineMs: patienceMs,
      });
      // The other GPU breaks, so that this one is all there is; the records that are written for the lists are late.
      const from = node.kubelet.events.length;
      node.kubelet.faults.checkpointDelaysMs.push(30, 60);
      await node.setGpu(1 - held, 'lost');
      const where = ({ healthy, resource }: { healthy: number; resource: string }) =>
        resource === gpuResource && healthy === 1;
      await node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs, where });
      node.kubelet.remove(pod);
      expect(await node.admit('two', 1)).toMatchObject({ phase: 'Running', message: '' });
      expect(node.kubelet.violations).toEqual([]);
    },
  );
});
