import { describe, expect, it } from 'vitest';
import { ApiServer, nodeName } from '../support/api-server.ts';
import { tellsNothing } from './support/tells-nothing.ts';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';

/** An API server whose node has four GPUs, none of which can be given out. It listens until the test is over. */
async function openServer(): Promise<ApiServer> {
  const server = new ApiServer();
  await server.start();
  Object.assign(server.capacity, { [gpuResource]: '4' });
  Object.assign(server.allocatable, { [gpuResource]: '0' });
  return server;
}

/** The arguments of an agent that writes the status of the API server's node. */
async function fastStatus(node: KubeletNode, server: ApiServer): Promise<readonly string[]> {
  const file = await node.writeConfig({
    version: 'v1',
    cluster: { enabled: true, fastStatus: true },
    ...tellsNothing,
  });
  // The node is made up, so it has no boot to compare.
  const args = [
    `--node-name=${nodeName}`,
    `--kubeconfig=${server.kubeconfig}`,
    `--procfs-root=${node.folder}`,
  ];
  return [`--config-file=${file}`, ...args];
}

async function waitForGpus(server: ApiServer, count: string): Promise<void> {
  const end = performance.now() + patienceMs;
  while (server.allocatable[gpuResource] !== count) {
    if (performance.now() > end)
      throw new Error(
        `Not ${count} but ${JSON.stringify(server.allocatable)}; asked: ${server.asked.length}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('cluster.fastStatus', () => {
  it('writes how many GPUs can be given out, as that changes', async () => {
    const server = await openServer();
    await using node = await openKubeletNode();
    const agent = await node.startServingAgent(await fastStatus(node, server));
    await waitForGpus(server, '4');
    await node.setGpu(1, 'lost');
    await waitForGpus(server, '3');
    await node.setGpu(1, 'present');
    await waitForGpus(server, '4');
    expect(Object.keys(server.allocatable)).toEqual(['cpu', gpuResource]);
    agent.signal('SIGTERM');
    expect((await agent.exit).code).toBe(0);
  });

  it('is for the agent that serves: one that stands by writes nothing until it takes over', async () => {
    const [server, ofStandby] = [await openServer(), await openServer()];
    await using node = await openKubeletNode();
    const first = await node.startServingAgent(await fastStatus(node, server));
    await waitForGpus(server, '4');
    await node.startStandby(await fastStatus(node, ofStandby));
    await node.setGpu(1, 'lost');
    await waitForGpus(server, '3');
    expect(ofStandby.asked).toEqual([]);
    first.signal('SIGTERM');
    await first.exit;
    await waitForGpus(ofStandby, '3');
  });

  it.each(['silent', 'hang-up'] as const)(
    'costs nothing but itself when the API server is gone: %s',
    async (fault) => {
      const server = await openServer();
      server.fault = fault;
      await using node = await openKubeletNode();
      const agent = await node.startServingAgent(await fastStatus(node, server));
      const { msg } = await agent.waitForLog((line) => line.msg.includes('cannot be asked'), patienceMs);
      expect(msg).toContain("the node's allocatable is left to the kubelet");
      expect(await node.admit('a', 1)).toMatchObject({ phase: 'Running' });
      await node.setGpu(3, 'lost');
      await node.waitForStatus({ [gpuResource]: '3/4' });
      agent.signal('SIGTERM');
      expect((await agent.exit).code).toBe(0);
    },
  );

  it('takes no way to the API server where it is off', async () => {
    const server = await openServer();
    await using node = await openKubeletNode();
    const [, ...args] = await fastStatus(node, server);
    const agent = await node.startServingAgent(args);
    await node.setGpu(1, 'lost');
    await node.waitForStatus({ [gpuResource]: '3/4' });
    expect(server.asked).toEqual([]);
    const file = await node.writeConfig({ version: 'v1', cluster: { fastStatus: true } });
    const second = await node.startStandby([...args, `--config-file=${file}`]);
    await second.waitForLog(({ msg }) => msg.includes('cluster.fastStatus has no effect'), patienceMs);
    expect(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
