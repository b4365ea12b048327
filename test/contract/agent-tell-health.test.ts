import { describe, expect, it } from 'vitest';
import { ApiServer, nodeName, refusal, type WrittenEvent } from '../support/api-server.ts';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';

const type = 'GPUUnhealthy';
const gpus = [{ model: 't4', count: 4 }];

async function openServer(): Promise<ApiServer> {
  const server = new ApiServer();
  await server.start();
  return server;
}

/** The arguments of an agent that tells the API server how GPUs are. */
async function telling(
  node: KubeletNode,
  server: ApiServer,
  content: object = {},
): Promise<readonly string[]> {
  const file = await node.writeConfig({ version: 'v1', cluster: { enabled: true }, ...content });
  // The node is made up, so it has no boot to compare.
  return [
    `--config-file=${file}`,
    `--node-name=${nodeName}`,
    `--kubeconfig=${server.kubeconfig}`,
    `--procfs-root=${node.folder}`,
  ];
}

/** The driver tells of an XID, once. */
async function raise(node: KubeletNode, xid: number, ...gpu: readonly number[]): Promise<void> {
  await node.writeScenario({ gpus, timeline: gpu.map((each) => ({ at: '0s', do: 'xid', gpu: each, xid })) });
}

async function waitFor(what: string, isSo: () => boolean, seen: () => unknown): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > end)
      throw new Error(`Not in time: ${what}. Seen: ${JSON.stringify(seen(), null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function waitForCondition(server: ApiServer, status: 'True' | 'False' | null): Promise<void> {
  const now = (): string | null => server.conditions.get(type)?.['status'] ?? null;
  await waitFor(
    `the condition is ${status}`,
    () => now() === status,
    () => server.conditions.get(type),
  );
}

function toldOf(server: ApiServer): readonly string[] {
  return [...server.events.values()].map(
    ({ reason, involvedObject: { kind, name } }) => `${kind} ${name} ${reason}`,
  );
}

async function waitForEvent(server: ApiServer, text: string): Promise<WrittenEvent> {
  const found = (): WrittenEvent | undefined =>
    [...server.events.values()].find(
      ({ reason, involvedObject: { kind, name } }) => `${kind} ${name} ${reason}` === text,
    );
  await waitFor(
    text,
    () => found() !== undefined,
    () => toldOf(server),
  );
  return found() ?? never();
}

describe('what the cluster is told of sick GPUs', () => {
  it('an XID: the condition, Events of the node and of the pod that has the GPU, no taint while another GPU is well', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    await node.startServingAgent(await telling(node, server, { health: { taint: true } }));
    await waitForCondition(server, 'False');
    expect(server.conditions.get(type)).toMatchObject({ reason: 'AllGPUsHealthy' });
    const holder = await node.admit('holder', 1);
    const id = node.answerOf(holder).envs['NVIDIA_VISIBLE_DEVICES'] ?? '';
    const index = node.gpuIds.indexOf(id);
    await raise(node, 79, index);
    await waitForCondition(server, 'True');
    const said = `GPU ${index} (${id})`;
    expect(server.conditions.get(type)).toMatchObject({
      reason: 'NodeRebootRequired',
      message: expect.stringMatching(
        /^GPU \d \(GPU-[0-9a-f-]+\): XID 79 \(.*fallen off the bus.*\)\. Drain the node/,
      ) as string,
    });
    expect(server.conditions.get(type)?.['message']).toContain(said);
    expect(await waitForEvent(server, `Node ${nodeName} GPUUnhealthy`)).toMatchObject({
      type: 'Warning',
      message: expect.stringContaining(`${said} is unhealthy: XID 79`) as string,
    });
    const ofPod = await waitForEvent(server, 'Pod holder GPUUnhealthy');
    expect(ofPod).toMatchObject({
      metadata: { namespace: holder.namespace },
      involvedObject: { uid: holder.uid },
      message: expect.stringContaining(`${said}, which container`) as string,
    });
    expect(server.taints).toEqual([]);
    expect([...server.conditions.keys()]).toEqual(['Ready', type]);

    // All of them.
    await raise(node, 79, 0, 1, 2, 3);
    const taint = { key: 'slicewise.io/gpu-unhealthy', effect: 'NoSchedule' };
    await waitFor(
      'the taint',
      () => server.taints.length > 0,
      () => server.taints,
    );
    expect(server.taints).toEqual([taint]);
    const message = (): string => server.conditions.get(type)?.['message'] ?? '';
    await waitFor('all are named', () => node.gpuIds.every((gpu) => message().includes(gpu)), message);
  });

  it('an error of a program is an Event, and the GPU stays in use', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    await node.startServingAgent(await telling(node, server));
    await waitForCondition(server, 'False');
    const pod = await node.admit('crasher', 1);
    const id = node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? '';
    await raise(node, 31, node.gpuIds.indexOf(id));
    await waitForEvent(server, `Node ${nodeName} GPUApplicationError`);
    const { message } = await waitForEvent(server, 'Pod crasher GPUApplicationError');
    expect(message).toContain('XID 31');
    expect(server.conditions.get(type)).toMatchObject({ status: 'False' });
    expect(node.kubelet.nodeStatus()[gpuResource]?.allocatable).toBe(4);
  });

  it('GPU memory: the pods that have a part of the GPU are told', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus }, memory: true });
    const args = await telling(node, server);
    const agent = await node.startServingAgent(args);
    await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
    await waitForCondition(server, 'False');
    const pod = await node.admit('part', 5, 'nvidia.com/gpu-memory');
    const id = node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? '';
    await raise(node, 95, node.gpuIds.indexOf(id));
    const { message, involvedObject } = await waitForEvent(server, 'Pod part GPUUnhealthy');
    expect(message).toContain(id);
    expect(involvedObject.uid).toBe(pod.uid);
  });

  it('the end of the agent: a condition that says that all is well goes, one that tells of a sick GPU stays', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    const args = await telling(node, server);
    const first = await node.startServingAgent(args);
    await waitForCondition(server, 'False');
    first.signal('SIGTERM');
    expect((await first.exit).code).toBe(0);
    expect(server.conditions.has(type)).toBe(false);

    const second = await node.startServingAgent(args);
    await waitForCondition(server, 'False');
    await raise(node, 95, 2);
    await waitForCondition(server, 'True');
    const before = server.conditions.get(type);
    second.signal('SIGTERM');
    expect((await second.exit).code).toBe(0);
    expect(server.conditions.get(type)).toEqual(before);

    // The next one takes it over: what is held against the GPU outlives the agent.
    await node.writeScenario({ gpus });
    const third = node.startAgent(args);
    await node.kubelet.waitForAllocatable(gpuResource, 3, patienceMs);
    await third.waitForLog(({ msg }) => msg === "the node's condition GPUUnhealthy is kept", patienceMs);
    expect(server.conditions.get(type)).toEqual(before);
  });

  it('a successor that is ready leaves no gap', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    const args = await telling(node, server);
    const first = await node.startServingAgent(args);
    await waitForCondition(server, 'False');
    const second = await node.startStandby(args);
    await first.waitForLog(({ msg }) => msg.includes('ready to take over'), patienceMs);
    const before = server.conditions.get(type);
    first.signal('SIGTERM');
    expect((await first.exit).code).toBe(0);
    await second.waitForLog(({ msg }) => msg === "the node's condition GPUUnhealthy is kept", patienceMs);
    expect(server.conditions.get(type)).toEqual(before);
    expect(JSON.stringify(server.patches)).not.toContain('$patch');
  });

  it('switching it off takes the condition and the taint away, another edit does not', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    const args = await telling(node, server, { health: { taint: true } });
    const agent = await node.startServingAgent(args);
    await waitForCondition(server, 'False');
    await raise(node, 95, 0, 1, 2, 3);
    await waitFor(
      'the taint',
      () => server.taints.length > 0,
      () => server.taints,
    );
    await waitForCondition(server, 'True');
    const config = { version: 'v1', cluster: { enabled: true } };
    await node.writeConfig({ ...config, health: { taint: true, events: false } });
    const kept = (): number =>
      agent.log.filter(({ msg }) => msg === "the node's condition GPUUnhealthy is kept").length;
    await waitFor('the edit counts', () => kept() === 2, kept);
    expect(server.taints).toHaveLength(1);
    expect(JSON.stringify(server.patches)).not.toContain('$patch');
    await node.writeConfig({ ...config, health: { taint: false, condition: false } });
    await waitForCondition(server, null);
    await waitFor(
      'no taint',
      () => server.taints.length === 0,
      () => server.taints,
    );
  });

  it('an annotation of the node gives a GPU back, each value once, over a restart too', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    const args = await telling(node, server);
    const first = await node.startServingAgent(args);
    await waitForCondition(server, 'False');
    const [, , uuid = ''] = node.gpuIds;
    const annotation = `slicewise.io/ack-${uuid.slice(4, 12)}`;
    await raise(node, 95, 2);
    await waitForCondition(server, 'True');
    server.setAnnotations({ [annotation]: 'replaced', 'slicewise.io/ack-ffffffff': 'x' });
    await waitForCondition(server, 'False');
    await node.kubelet.waitForAllocatable(gpuResource, 4, patienceMs);
    const { message } = await waitForEvent(server, `Node ${nodeName} GPUAcknowledged`);
    expect(message).toBe(
      `annotation ${annotation}="replaced" is passed on: GPU 2 (${uuid}) is to be used again in spite of XID 95 (memory error, not contained), unless more happens to it first`,
    );
    expect((await waitForEvent(server, `Node ${nodeName} GPUAcknowledgementIgnored`)).message).toContain(
      'no GPU of this node has a UUID that begins so',
    );

    // It stays, and excuses nothing that comes later: neither while this agent lives nor after it.
    await raise(node, 109, 2);
    await waitForCondition(server, 'True');
    await node.writeScenario({ gpus });
    first.signal('SIGTERM');
    await first.exit;
    const asked = server.asked.length;
    const second = node.startAgent(args);
    await second.waitForLog(({ msg }) => msg === "the node's annotations are followed", patienceMs);
    await node.kubelet.waitForAllocatable(gpuResource, 3, patienceMs);
    await waitFor(
      'a watch',
      () => server.watches > 0,
      () => server.asked.slice(asked),
    );
    server.setAnnotations({ [annotation]: 'replaced', other: 'y' });
    await second.waitForLog(({ msg }) => msg === "the node's condition GPUUnhealthy is kept", patienceMs);
    expect(server.conditions.get(type)).toMatchObject({ status: 'True' });
    server.setAnnotations({ [annotation]: 'replaced once more' });
    await waitForCondition(server, 'False');
    await node.kubelet.waitForAllocatable(gpuResource, 4, patienceMs);
  });

  it('without rights the agent serves as ever, and says each verb that it lacks', async () => {
    const server = await openServer();
    server.fault = refusal(403, 'forbidden');
    await using node = await openKubeletNode({ gpus: { gpus } });
    const agent = await node.startServingAgent(await telling(node, server, { health: { taint: true } }));
    await raise(node, 79, 1);
    for (const verbs of [
      'get and patch on nodes/status',
      'get and patch on nodes,',
      'create and patch on events',
    ])
      await agent.waitForLog(({ msg }) => msg.includes(verbs), patienceMs);
    await node.kubelet.waitForAllocatable(gpuResource, 3, patienceMs);
    expect((await node.admit('served', 1)).phase).toBe('Running');
  });

  it('without cluster.enabled the API server is not asked', async () => {
    const server = await openServer();
    await using node = await openKubeletNode({ gpus: { gpus } });
    const file = await node.writeConfig({ version: 'v1', health: { condition: true, taint: true } });
    await node.startServingAgent([
      `--config-file=${file}`,
      `--node-name=${nodeName}`,
      `--kubeconfig=${server.kubeconfig}`,
    ]);
    await raise(node, 79, 1);
    await node.kubelet.waitForAllocatable(gpuResource, 3, patienceMs);
    expect(server.asked).toEqual([]);
  });
});

function never(): never {
  throw new Error('it was there a moment ago');
}
