import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { podResourcesService } from '../../src/kubelet/wire.ts';
import type { Pod } from '../../src/simulator/kubelet/pod.ts';
import { callOnce } from '../simulator/call-once.ts';
import {
  bookings,
  gpuResource,
  openKubeletNode,
  patienceMs,
  type KubeletNode,
} from './support/kubelet-node.ts';

// Kubernetes' own tests of device plugins, told from outside: test/e2e_node/device_plugin_failures_test.go and
// device_plugin_test.go, as far as they need no container runtime.

describe.concurrent('device health', () => {
  it('one device turns bad and back: 1/1, 0/1, 1/1', async () => {
    await using node = await openKubeletNode({ gpus: 1 });
    await node.startServingAgent();
    await node.setGpu(0, 'lost');
    await waitForStatus(node, 1, 0);
    await node.setGpu(0, 'present');
    await waitForStatus(node, 1, 1);
  });

  it('one and two of four turn bad, and back', async () => {
    await using node = await openKubeletNode({ gpus: 4 });
    await node.startServingAgent();
    await node.setGpu(1, 'lost');
    await waitForStatus(node, 4, 3);
    await node.setGpu(3, 'lost');
    await waitForStatus(node, 4, 2);
    await node.setGpu(1, 'present');
    await waitForStatus(node, 4, 3);
    await node.setGpu(3, 'present');
    await waitForStatus(node, 4, 4);
  });

  it('the device of a running pod turns bad and back, and the pod stays', async () => {
    await using node = await openKubeletNode({ gpus: 1 });
    await node.startServingAgent();
    const pod = await node.admit('p', 1);
    const before = bookings(node.kubelet);
    await node.setGpu(0, 'lost');
    await waitForStatus(node, 1, 0);
    await node.setGpu(0, 'present');
    await waitForStatus(node, 1, 1);
    expect(pod.phase).toBe('Running');
    expect(bookings(node.kubelet)).toEqual(before);
  });
});

describe.concurrent('the plugin stops', () => {
  it.for(['SIGTERM', 'SIGKILL'] as const)('by %s: 0/n, and 0/0 when the grace is over', async (signal) => {
    await using node = await openKubeletNode({ habits: { stopGraceMs: 1500 } });
    const agent = await node.startServingAgent();
    agent.signal(signal);
    await agent.exit;
    await waitForStatus(node, 4, 0);
    expect((await node.admit('late', 1)).phase).toBe('Failed');
    await waitForStatus(node, 0, 0);
  });
});

describe.concurrent('assignments', () => {
  it('a pod gets a device, and the pod resources show exactly that one', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    const pod = await node.admit('p', 1);
    expect(pod.phase).toBe('Running');
    const given = idsOf(pod);
    expect(given).toHaveLength(1);
    expect(node.gpuIds).toContain(given[0]);
    const listed = await callOnce(node.kubelet.podResourcesSocket, podResourcesService.List, undefined);
    expect(listed).toEqual([
      { namespace: 'default', pod: 'p', container: 'main', resourceName: gpuResource, deviceIds: given },
    ]);
  });

  it('a restarted container keeps its device; a second pod gets another', async () => {
    await using node = await openKubeletNode({ gpus: 2 });
    await node.startServingAgent();
    const first = await node.admit('first', 1);
    const given = idsOf(first);
    const answer = await node.kubelet.restartContainer(first, 'main');
    expect(answer[gpuResource]?.envs['NVIDIA_VISIBLE_DEVICES']).toBe(given[0]);
    const second = await node.admit('second', 1);
    await node.kubelet.restartContainer(second, 'main');
    expect(idsOf(first)).toEqual(given);
    expect([...given, ...idsOf(second)].toSorted()).toEqual(node.gpuIds.toSorted());
    expect(node.happened('allocated')).toHaveLength(2);
  });

  it('a kubelet restart alone leaves pod and device as they were', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    const pod = await node.admit('p', 2);
    const before = bookings(node.kubelet);
    await restartKubelet(node);
    expect(pod.phase).toBe('Running');
    expect(bookings(node.kubelet)).toEqual(before);
    expect((await node.admit('next', 2)).phase).toBe('Running');
    expect(node.kubelet.duplicates()).toEqual([]);
  });

  it('a restart of container and kubelet keeps the device', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    const pod = await node.admit('p', 1);
    const given = idsOf(pod);
    await restartKubelet(node);
    await node.kubelet.restartContainer(pod, 'main');
    expect(idsOf(pod)).toEqual(given);
    expect(node.happened('allocated')).toHaveLength(1);
  });

  it('a restart of the plugin alone keeps the device', async () => {
    await using node = await openKubeletNode();
    const agent = await node.startServingAgent();
    await node.admit('p', 3);
    const before = bookings(node.kubelet);
    agent.signal('SIGTERM');
    await agent.exit;
    await node.startServingAgent();
    expect(bookings(node.kubelet)).toEqual(before);
    expect((await node.admit('too many', 2)).phase).toBe('Failed');
    expect((await node.admit('fits', 1)).phase).toBe('Running');
    expect(node.kubelet.duplicates()).toEqual([]);
  });

  it('a restart of plugin and kubelet leaves the pod untouched', async () => {
    await using node = await openKubeletNode();
    const agent = await node.startServingAgent();
    const pod = await node.admit('p', 2);
    const before = bookings(node.kubelet);
    agent.signal('SIGKILL');
    await agent.exit;
    await node.kubelet.restart({ downMs: 100 });
    await node.startServingAgent();
    await node.readmitted();
    expect(pod.phase).toBe('Running');
    expect(bookings(node.kubelet)).toEqual(before);
  });

  it('a pod that succeeded is not admitted again after a kubelet restart without the plugin', async () => {
    await using node = await openKubeletNode();
    const agent = await node.startServingAgent();
    const pod = await node.admit('job', 1);
    node.kubelet.finish(pod, 'Succeeded');
    agent.signal('SIGTERM');
    await agent.exit;
    await node.kubelet.restart();
    await node.readmitted();
    expect(pod.phase).toBe('Succeeded');
    expect(node.happened('allocated')).toHaveLength(1);
  });

  it('pods deleted while the kubelet was down leave no assignment behind', async () => {
    await using node = await openKubeletNode({ gpus: 2 });
    await node.startServingAgent();
    const gone = await node.admit('gone', 2);
    await node.kubelet.stop();
    node.kubelet.remove(gone);
    await restartKubelet(node);
    await node.readmitted();
    expect(await callOnce(node.kubelet.podResourcesSocket, podResourcesService.List, undefined)).toEqual([]);
    expect((await node.admit('next', 2)).phase).toBe('Running');
  });

  it('init container and sidecar: the regular container gets another device than the sidecar', async () => {
    await using node = await openKubeletNode({ gpus: 2 });
    await node.startServingAgent();
    const one = { [gpuResource]: 1 };
    const pod = await node.kubelet.admit({
      name: 'p',
      initContainers: [
        { name: 'init', resources: one },
        { name: 'sidecar', resources: one, restartable: true },
      ],
      containers: [{ name: 'main', resources: one }],
    });
    expect(pod.phase).toBe('Running');
    const [init, sidecar, main] = pod.containers.map(({ given }) => given.get(gpuResource)?.ids);
    expect(sidecar).toEqual(init);
    expect(main).toHaveLength(1);
    expect(main).not.toEqual(sidecar);
    expect(node.kubelet.duplicates()).toEqual([]);
  });

  it('a node reboot without the plugin: admission error, and the plugin that comes serves on', async () => {
    await using node = await openKubeletNode();
    const agent = await node.startServingAgent();
    const pod = await node.admit('p', 1);
    agent.signal('SIGKILL');
    await agent.exit;
    await node.kubelet.reboot();
    await node.readmitted();
    expect(pod).toMatchObject({ phase: 'Failed', reason: 'UnexpectedAdmissionError' });
    expect(pod.message).toContain('no healthy devices present');
    await node.startServingAgent();
    expect((await node.admit('next', node.gpuIds.length)).phase).toBe('Running');
  });
});

async function waitForStatus(node: KubeletNode, capacity: number, allocatable: number): Promise<void> {
  const status = (): unknown => node.kubelet.nodeStatus()[gpuResource];
  await node.kubelet.waitUntil(
    () => isDeepStrictEqual(status(), { capacity, allocatable }),
    patienceMs,
    () => `${allocatable}/${capacity}; now ${JSON.stringify(status())}`,
  );
}

async function restartKubelet(node: KubeletNode): Promise<void> {
  await node.kubelet.restart();
  await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
  await node.readmitted();
}

/** What the pod's first container was last started with. */
function idsOf(pod: Pod): readonly string[] {
  return pod.containers[0]?.given.get(gpuResource)?.ids ?? [];
}
