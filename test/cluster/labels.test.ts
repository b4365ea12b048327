import { type CoreV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { node as nodeAt } from './node/layout.ts';
import { clientOfAccount } from './support/account-client.ts';
import { takeAgentsPlace } from './support/agents-place.ts';
import { writeConfig } from './support/agent-config.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { labelNode } from './support/node-labels.ts';
import { onCluster } from './support/on-cluster.ts';
import { refusalOf } from './support/pods.ts';
import { patienceMs, waitFor } from './support/wait.ts';

const count = 'nvidia.com/gpu.count';
const product = 'nvidia.com/gpu.product';
const works = 'the node is labelled';

/** Labels of NVIDIA's on the node, as the API server has them. */
async function labelsOf(api: CoreV1Api): Promise<Readonly<Record<string, string>>> {
  const { metadata } = await api.readNode({ name: nodeAt.name });
  return Object.fromEntries(
    Object.entries(metadata?.labels ?? {}).filter(([name]) => name.startsWith('nvidia.com/')),
  );
}

/** Starts an agent that labels the node with the account that is mounted. */
async function startAgent(node: ClusterNode, env: Readonly<Record<string, string>>): Promise<AgentProcess> {
  const config = { cluster: { enabled: true }, labels: { output: 'api' } };
  return node.startAgent([await writeConfig(node, config)], env);
}

const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

onCluster("the node's labels at the API server", () => {
  test('are there while an agent serves, through a take-over, and are gone after the last', async () => {
    await using node = await openClusterNode({ gpus: 3 });
    await using held = new AsyncDisposableStack();
    const { env } = held.use(await takeAgentsPlace(node, ['labels/access.yaml']));
    const { metadata } = await node.api.readNode({ name: nodeAt.name });
    const before = metadata?.labels;
    const first = await startAgent(node, env);
    await first.waitForLog(({ msg }) => msg === works, patienceMs);
    expect(await labelsOf(node.api)).toMatchObject({ [count]: '3' });

    const second = await startAgent(node, env);
    await first.waitForLog(({ msg }) => msg.includes('ready to take over'), patienceMs);
    const seen: (string | undefined)[] = [];
    const end = new AbortController();
    const watching = (async () => {
      while (!end.signal.aborted) seen.push((await labelsOf(node.api))[count]);
    })();
    first.signal('SIGTERM');
    expect((await first.exit).code).toBe(0);
    await second.waitForLog(({ msg }) => msg === works, patienceMs);
    end.abort();
    await watching;
    expect(seen.length).toBeGreaterThan(3);
    expect(new Set(seen)).toEqual(new Set(['3']));

    second.signal('SIGTERM');
    expect((await second.exit).code).toBe(0);
    expect((await node.api.readNode({ name: nodeAt.name })).metadata?.labels).toEqual(before);
  });

  test("leave alone what is somebody else's, and make no node", async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await using held = new AsyncDisposableStack();
    const { env } = held.use(await takeAgentsPlace(node, ['labels/access.yaml']));
    held.use(await labelNode(node, { [product]: 'mine' }));
    const agent = await startAgent(node, env);
    const { msg } = await agent.waitForLog((line) => line.msg.includes("somebody else's"), patienceMs);
    expect(msg).toContain(product);
    expect(await labelsOf(node.api)).toMatchObject({ [count]: '2', [product]: 'mine' });
    agent.signal('SIGTERM');
    await agent.exit;
    expect(await labelsOf(node.api)).toEqual({ [product]: 'mine' });

    const body = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node9', uid: 'b6d0', labels: {} } };
    const apply = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply);
    expect(
      await refusalOf(node.api.patchNode({ name: 'node9', body, fieldManager: 'slicewise-labels' }, apply)),
    ).toContain('uid');
    const { items } = await node.api.listNode();
    expect(items.map(({ metadata }) => metadata?.name)).toEqual([nodeAt.name]);
  });

  test('the policy leaves the agent its own node and labels of nvidia.com', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using held = new AsyncDisposableStack();
    const files = ['fast-status/own-node.yaml', 'labels/access.yaml'];
    const { env } = held.use(await takeAgentsPlace(node, files, { isBound: true }));

    const asAgent = await clientOfAccount(node);
    const tryPatch = async (name: string, body: object): Promise<string> =>
      refusalOf(asAgent.patchNode({ name, body, dryRun: 'All' }, asMerge));
    await waitFor(
      'the policy counts',
      async () => tryPatch(nodeAt.name, { metadata: { labels: { a: 'b' } } }),
      (said) => said.includes('may change labels of nvidia.com alone'),
    );
    for (const body of [
      { metadata: { labels: { 'kubernetes.io/os': null } } },
      { metadata: { labels: { [count]: '1', 'node-role.kubernetes.io/control-plane': '' } } },
      { metadata: { annotations: { a: 'b' } } },
      { spec: { unschedulable: true } },
      { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } },
    ])
      expect(await tryPatch(nodeAt.name, body)).toContain(' alone');
    await node.api.createNode({ body: { metadata: { name: 'node2' } } });
    held.defer(async () => {
      await node.api.deleteNode({ name: 'node2' });
    });
    expect(await tryPatch('node2', { metadata: { labels: { [count]: '9' } } })).toContain(
      'the agent on node node1 may not change node node2',
    );

    const agent = await startAgent(node, env);
    await agent.waitForLog(({ msg }) => msg === works, patienceMs);
    expect(await labelsOf(node.api)).toMatchObject({ [count]: '1' });
    agent.signal('SIGTERM');
    await agent.exit;
    expect(await labelsOf(node.api)).toEqual({});
  });
});
