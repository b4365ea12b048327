import {
  type CoreV1Event,
  PatchStrategy,
  setHeaderOptions,
  type V1NodeCondition,
} from '@kubernetes/client-node';
import { writeFile, rename } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { node as nodeAt } from './node/layout.ts';
import { clientOfAccount } from './support/account-client.ts';
import { writeConfig } from './support/agent-config.ts';
import { takeAgentsPlace } from './support/agents-place.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { identityOf, isShownAs, refusalOf } from './support/pods.ts';
import { patienceMs, waitFor } from './support/wait.ts';

const type = 'GPUUnhealthy';
const taint = { key: 'slicewise.io/gpu-unhealthy', effect: 'NoSchedule' };
const deployed = [
  'fast-status/own-node.yaml',
  'health/own-events.yaml',
  'health/access.yaml',
  'health/taint.yaml',
];

/** What a simulated driver tells of GPUs, once; without events the same node as before. */
async function happen({ gpus }: ClusterNode, ...timeline: readonly object[]): Promise<void> {
  const content = { name: gpus.name, gpus: [{ model: 't4', count: gpus.ids.length }], timeline };
  await writeFile(`${gpus.file}.new`, JSON.stringify(content));
  await rename(`${gpus.file}.new`, gpus.file);
}

function xid(gpu: number, code: number): object {
  return { at: '0s', do: 'xid', gpu, xid: code };
}

async function startAgent(node: ClusterNode, env: Readonly<Record<string, string>>): Promise<AgentProcess> {
  const config = { cluster: { enabled: true }, health: { taint: true } };
  return node.startAgent([await writeConfig(node, config)], env);
}

async function conditionOf({ api }: ClusterNode): Promise<V1NodeCondition | undefined> {
  const { status } = await api.readNodeStatus({ name: nodeAt.name });
  return status?.conditions?.find((each) => each.type === type);
}

async function waitForCondition(node: ClusterNode, wanted: string): Promise<V1NodeCondition> {
  const found = await waitFor(
    `the condition says ${wanted}`,
    async () => conditionOf(node),
    (condition) => condition?.status === wanted,
  );
  if (found === undefined) throw new Error('it was there a moment ago');
  return found;
}

async function taintsOf({ api }: ClusterNode): Promise<readonly string[]> {
  const { spec } = await api.readNode({ name: nodeAt.name });
  return (spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
}

/** The Events that `kubectl describe` shows of a node or a pod. */
async function eventsOf(
  { api }: ClusterNode,
  about: { readonly uid: string; readonly namespace: string },
): Promise<readonly CoreV1Event[]> {
  const fieldSelector = `involvedObject.uid=${about.uid},source=slicewise`;
  return (await api.listNamespacedEvent({ namespace: about.namespace, fieldSelector })).items;
}

async function waitForEvent(
  node: ClusterNode,
  about: { readonly uid: string; readonly namespace: string },
  reason: string,
): Promise<CoreV1Event> {
  const events = await waitFor(
    `an Event ${reason}`,
    async () => eventsOf(node, about),
    (all) => all.some((event) => event.reason === reason),
  );
  return events.find((event) => event.reason === reason) ?? Promise.reject(new Error('it was there'));
}

const ofNode = { uid: nodeAt.name, namespace: 'default' };

/** Takes away what an agent that was killed, or ends with a sick GPU, leaves on the shared node. */
function cleanNode(node: ClusterNode): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      const gone = { status: { conditions: [{ type, $patch: 'delete' }] } };
      const asStrategic = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch);
      const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
      await node.api.patchNodeStatus({ name: nodeAt.name, body: gone }, asStrategic);
      const { spec } = await node.api.readNode({ name: nodeAt.name });
      const taints = (spec?.taints ?? []).filter(({ key }) => key !== taint.key);
      await node.api.patchNode({ name: nodeAt.name, body: { spec: { taints } } }, asMerge);
      const { namespace } = ofNode;
      await node.api.deleteCollectionNamespacedEvent({ namespace, fieldSelector: 'source=slicewise' });
    },
  };
}

onCluster('a GPU that an XID makes unhealthy', () => {
  test(
    'is told in the node, in the pod and in Events; the pod runs on, new ones avoid it, a restart keeps it, and it clears',
    { timeout: 300_000 },
    async () => {
      await using node = await openClusterNode({ gpus: 3 });
      await using held = new AsyncDisposableStack();
      const { env } = held.use(await takeAgentsPlace(node, deployed, { isBound: true }));
      held.use(cleanNode(node));
      const first = await startAgent(node, env);
      await waitForCondition(node, 'False');
      await node.waitForAmount({ capacity: 3, allocatable: 3 });
      const before = identityOf(await node.pods.run(gpuPod('victim', 1)));
      const [id = ''] = await node.pods.gpusSeenBy('victim');
      const index = node.gpus.ids.indexOf(id);
      const uid = (await node.pods.read('victim')).metadata?.uid ?? '';
      const ofPod = { uid, namespace: node.namespace };

      await happen(node, xid(index, 95));
      const sick = await waitForCondition(node, 'True');
      expect(sick.reason).toBe('GPUResetRequired');
      expect(sick.message).toContain(`GPU ${index} (${id}): XID 95`);
      await node.waitForAmount({ capacity: 3, allocatable: 2 });
      await node.pods.waitFor('victim', 'its status shows it', isShownAs(id, 'Unhealthy'));
      expect((await waitForEvent(node, ofPod, 'GPUUnhealthy')).message).toContain('The pod is left running');
      expect((await waitForEvent(node, ofNode, 'GPUUnhealthy')).message).toContain('XID 95');
      expect(await taintsOf(node)).not.toContain('slicewise.io/gpu-unhealthy:NoSchedule');
      // The scheduler counts the pod that has the sick one against the healthy ones.
      await node.pods.run(gpuPod('other', 1));
      expect(await node.pods.gpusSeenBy('other')).not.toContain(id);
      await node.pods.delete('other');

      // Another agent, whose driver tells of nothing any more.
      await happen(node);
      first.signal('SIGKILL');
      await first.exit;
      const second = await startAgent(node, env);
      await second.waitForLog(({ msg }) => msg === "the node's condition GPUUnhealthy is kept", patienceMs);
      await node.waitForAmount({ capacity: 3, allocatable: 2 });
      const kept = await waitForCondition(node, 'True');
      expect(kept.lastTransitionTime).toEqual(sick.lastTransitionTime);
      expect(kept.message).toBe(sick.message);

      // The driver asks for a reset, and then for nothing: that is what a reset looks like.
      await happen(
        node,
        { at: '0s', do: 'recovery-action', gpu: index, recoveryAction: 'reset' },
        { at: '6s', do: 'recovery-action', gpu: index, recoveryAction: 'none' },
      );
      await waitForCondition(node, 'False');
      await node.waitForAmount({ capacity: 3, allocatable: 3 });
      await waitForEvent(node, ofNode, 'GPUHealthy');
      await waitForEvent(node, ofPod, 'GPUHealthy');
      await node.pods.waitFor('victim', 'its status shows it well', isShownAs(id, 'Healthy'));
      expect(identityOf(await node.pods.read('victim'))).toEqual(before);
      const others = (await node.api.readNodeStatus({ name: nodeAt.name })).status?.conditions?.map(
        (each) => each.type,
      );
      expect(others).toEqual(
        expect.arrayContaining(['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure', type]),
      );
      second.signal('SIGTERM');
      await second.exit;
      expect(await conditionOf(node)).toBeUndefined();
    },
  );

  test('is tainted for when no other GPU is well; taints of others stay', { timeout: 300_000 }, async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await using held = new AsyncDisposableStack();
    const { env } = held.use(await takeAgentsPlace(node, deployed, { isBound: true }));
    held.use(cleanNode(node));
    const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const others = [{ key: 'example.com/a', effect: 'PreferNoSchedule' }];
    await node.api.patchNode({ name: nodeAt.name, body: { spec: { taints: others } } }, asMerge);
    held.defer(async () => {
      await node.api.patchNode({ name: nodeAt.name, body: { spec: { taints: [] } } }, asMerge);
    });
    const agent = await startAgent(node, env);
    await waitForCondition(node, 'False');
    await happen(node, xid(0, 95), xid(1, 79));
    await waitFor(
      'the taint',
      async () => taintsOf(node),
      (all) => all.includes('slicewise.io/gpu-unhealthy:NoSchedule'),
    );
    expect(await taintsOf(node)).toContain('example.com/a:PreferNoSchedule');
    expect((await waitForCondition(node, 'True')).reason).toBe('NodeRebootRequired');
    await happen(
      node,
      { at: '0s', do: 'recovery-action', gpu: 0, recoveryAction: 'reset' },
      { at: '6s', do: 'recovery-action', gpu: 0, recoveryAction: 'none' },
    );
    await waitFor(
      'no taint',
      async () => taintsOf(node),
      (all) => !all.includes('slicewise.io/gpu-unhealthy:NoSchedule'),
    );
    expect(await taintsOf(node)).toContain('example.com/a:PreferNoSchedule');
    // The other one is let back by an admin from afar.
    const name = `slicewise.io/ack-${(node.gpus.ids[1] ?? '').slice(4, 12)}`;
    const annotate = async (value: string | null): Promise<void> => {
      const body = { metadata: { annotations: { [name]: value } } };
      await node.api.patchNode({ name: nodeAt.name, body }, asMerge);
    };
    held.defer(async () => annotate(null));
    await annotate('replaced');
    await waitForCondition(node, 'False');
    expect((await waitForEvent(node, ofNode, 'GPUAcknowledged')).message).toContain(`${name}="replaced"`);
    expect(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('the policy leaves the agent its own Events, about its own node and about pods', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using held = new AsyncDisposableStack();
    held.use(await takeAgentsPlace(node, deployed, { isBound: true }));
    const asAgent = await clientOfAccount(node);
    const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const { namespace } = node;
    const event = (involvedObject: object, also: object = {}): CoreV1Event => ({
      metadata: { name: 'told', namespace },
      involvedObject: { namespace, ...involvedObject },
      type: 'Warning',
      reason: 'GPUUnhealthy',
      message: 'x',
      source: { component: 'slicewise', host: nodeAt.name },
      ...also,
    });
    const create = async (body: CoreV1Event): Promise<unknown> =>
      asAgent.createNamespacedEvent({ namespace, body, dryRun: 'All' });
    const ofPod = { kind: 'Pod', name: 'some' };
    await waitFor(
      'the policy counts',
      async () => refusalOf(create(event({ kind: 'Node', name: 'node2' }))),
      (said) =>
        said.includes(
          'the agent on node node1 may write Events about its node and about pods alone, not about Node node2',
        ),
    );
    expect(await refusalOf(create(event({ kind: 'ReplicaSet', name: 'some' })))).toContain(
      'not about ReplicaSet some',
    );
    for (const source of [
      { component: 'kubelet', host: nodeAt.name },
      { component: 'slicewise', host: 'node2' },
      { component: 'slicewise' },
    ])
      expect(await refusalOf(create(event(ofPod, { source })))).toContain(
        'the agent on node node1 may write its own Events alone',
      );
    await create(event({ kind: 'Node', name: nodeAt.name }));
    await create(event(ofPod));
    // One that is there and is another's.
    const others = event(ofPod, { source: { component: 'kubelet', host: nodeAt.name } });
    await node.api.createNamespacedEvent({ namespace, body: others });
    const patch = async (body: object): Promise<unknown> =>
      asAgent.patchNamespacedEvent({ name: 'told', namespace, body, dryRun: 'All' }, asMerge);
    expect(await refusalOf(patch({ message: 'y' }))).toContain('its own Events alone');
    expect(await refusalOf(patch({ source: { component: 'slicewise' } }))).toContain('its own Events alone');
    await node.api.patchNamespacedEvent(
      { name: 'told', namespace, body: { source: { component: 'slicewise' } } },
      asMerge,
    );
    await patch({ message: 'y' });
  });

  test('the policy leaves the agent its own condition and its own taint, of its own node', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using held = new AsyncDisposableStack();
    held.use(await takeAgentsPlace(node, deployed, { isBound: true }));
    const asAgent = await clientOfAccount(node);
    const asStrategic = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch);
    const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const dryRun = 'All';
    const patchStatus = async (body: object, name: string = nodeAt.name): Promise<unknown> =>
      asAgent.patchNodeStatus({ name, body, dryRun }, asStrategic);
    const patchNode = async (body: object): Promise<unknown> =>
      asAgent.patchNode({ name: nodeAt.name, body, dryRun }, asMerge);
    const saying = (name: string, status = 'True'): object => ({
      status: { conditions: [{ type: name, status, reason: 'GPULost', message: 'x' }] },
    });
    await waitFor(
      'the policy counts',
      async () => refusalOf(patchStatus(saying('Ready', 'False'))),
      (said) => said.includes('may change the condition GPUUnhealthy alone'),
    );
    expect(
      await refusalOf(patchStatus({ status: { conditions: [{ type: 'Ready', $patch: 'delete' }] } })),
    ).toContain('alone');
    expect(await refusalOf(patchStatus(saying('Other')))).toContain('GPUUnhealthy alone');
    await patchStatus(saying(type));
    for (const taints of [
      [{ key: 'a', effect: 'NoSchedule' }],
      [{ ...taint, effect: 'NoExecute' }],
      [taint, { key: 'a', effect: 'NoSchedule' }],
    ])
      expect(await refusalOf(patchNode({ spec: { taints } }))).toContain(
        'the taint slicewise.io/gpu-unhealthy:NoSchedule alone',
      );
    for (const body of [
      { spec: { unschedulable: true } },
      { metadata: { annotations: { a: 'b' } } },
      { spec: { taints: [taint], unschedulable: true } },
    ])
      expect(await refusalOf(patchNode(body))).toContain('alone');
    await patchNode({ spec: { taints: [taint] } });
    await node.api.createNode({ body: { metadata: { name: 'node2' } } });
    held.defer(async () => {
      await node.api.deleteNode({ name: 'node2' });
    });
    expect(await refusalOf(patchStatus(saying(type), 'node2'))).toContain(
      'the agent on node node1 may not change node node2',
    );
  });
});
