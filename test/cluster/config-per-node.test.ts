import type { CoreV1Event } from '@kubernetes/client-node';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { node as nodeAt } from './node/layout.ts';
import { takeAgentsPlace } from './support/agents-place.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { labelNode } from './support/node-labels.ts';
import { onCluster } from './support/on-cluster.ts';
import { mountAccount } from './support/service-account.ts';
import { patienceMs, waitFor } from './support/wait.ts';

const label = 'nvidia.com/device-plugin.config';

/** The Events that `kubectl describe node` shows of the agent. */
const ofAgent = {
  namespace: 'default',
  fieldSelector: `involvedObject.kind=Node,involvedObject.uid=${nodeAt.name},source=slicewise`,
};

async function eventsOf({ api }: ClusterNode): Promise<readonly CoreV1Event[]> {
  const { items } = await api.listNamespacedEvent(ofAgent);
  // The node is shared with tests of what else is told of it.
  return items.filter(({ reason }) => reason?.startsWith('Config'));
}

onCluster("a node's config by its label", () => {
  test('the label picks it, and Events of the node tell of it, with the rights that are deployed', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    // Those of agents before this one stay for an hour.
    await node.api.deleteCollectionNamespacedEvent(ofAgent);
    await using held = new AsyncDisposableStack();
    const { env } = held.use(await takeAgentsPlace(node, ['config-per-node/access.yaml']));
    const folder = join(dirname(node.gpus.file), 'configs');
    await mkdir(folder);
    for (const name of ['red', 'blue']) await writeFile(join(folder, name), 'version: v1\n');
    held.use(await labelNode(node, { [label]: 'red' }));

    const agent = node.startAgent([`--config-dir=${folder}`, '--default-config=blue'], env);
    const says = async (text: string): Promise<unknown> =>
      agent.waitForLog(({ msg }) => msg.includes(text), patienceMs);
    await says(`config 'red' is in force: the node's label ${label} names it`);
    await labelNode(node, { [label]: 'green' });
    await says('the config file is refused: the last good config stays in force');
    const told = await waitFor(
      'both are told',
      async () => eventsOf(node),
      (events) => events.length === 2,
    );
    await labelNode(node, { [label]: null });
    await says(`config 'blue' is in force: the node has no label ${label}, and it is the default`);
    expect(told.map(({ type, reason, message }) => ({ type, reason, message }))).toEqual(
      expect.arrayContaining([
        {
          type: 'Normal',
          reason: 'ConfigApplied',
          message: `config 'red' is in force: the node's label ${label} names it`,
        },
        {
          type: 'Warning',
          reason: 'ConfigRefused',
          message: expect.stringContaining(
            "the node's label names 'green', and there is no such config; there are: 'blue', 'red'",
          ),
        },
      ]),
    );
    // What was told before is the same Event again, later.
    await labelNode(node, { [label]: 'red' });
    const before = told.find(({ reason }) => reason === 'ConfigApplied');
    await waitFor(
      'it is told again',
      async () => eventsOf(node),
      (events) =>
        events.some(
          ({ metadata, lastTimestamp }) =>
            metadata.name === before?.metadata.name &&
            (lastTimestamp?.getTime() ?? 0) > (before?.lastTimestamp?.getTime() ?? 0),
        ),
    );
    // The kubelet may still have it written down that a pod of an earlier test has the GPU, under another name.
    const ofConfig = agent.log.filter(({ msg }) => msg !== 'GPU is unhealthy');
    expect(ofConfig.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  test('an account without the rights is told which ones it lacks', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using mounted = await mountAccount(node, { namespace: node.namespace, name: 'default' });
    const folder = join(dirname(node.gpus.file), 'configs');
    await mkdir(folder);
    await writeFile(join(folder, 'blue'), 'version: v1\n');
    const agent = node.startAgent([`--config-dir=${folder}`, '--fallback-strategies=single'], mounted.env);
    const refused = await agent.waitForLog(({ msg }) => msg.includes('label cannot be read'), patienceMs);
    expect(refused.msg).toContain('cannot list resource "nodes" in API group "" at the cluster scope');
    expect(refused.msg).toContain('the verbs list and watch on nodes, as in deploy/config-per-node');
    await agent.waitForLog(({ msg }) => msg.includes("config 'blue' is in force"), patienceMs);
    const untold = await agent.waitForLog(({ msg }) => msg.startsWith('no Event is written'), patienceMs);
    expect(untold.msg).toContain('the verbs create and patch on events, as in deploy/config-per-node');
  });
});
