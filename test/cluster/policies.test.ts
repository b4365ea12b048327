import type { V1Container, V1LimitRangeItem, V1Pod } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { openClusterNode, type ClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, gpuPod, pod } from './support/pod-spec.ts';
import { refusalOf } from './support/pods.ts';
import { applyPolicies } from './support/policies.ts';
import { clusterClient } from './node/readiness.ts';
import { waitFor } from './support/wait.ts';

const memory = 'nvidia.com/gpu-memory';
const requests = `requests.${memory}`;
const validating = ['quota', 'pods', 'max', 'limit-range'].map((name) => `gpu-memory-${name}.yaml`);

function memoryContainer(name: string, amount: string, more: Partial<V1Container> = {}): V1Container {
  return Object.assign(container(name, 0), { resources: { limits: { [memory]: amount } } }, more);
}

function memoryPod(amount: string, more: Partial<V1Container> = {}): V1Pod {
  return pod('asks', { containers: [memoryContainer('main', amount, more)] });
}

/** What the API server would store; nothing is. */
async function tryPod({ api, namespace }: ClusterNode, body: V1Pod): Promise<V1Pod> {
  return api.createNamespacedPod({ namespace, body, dryRun: 'All' });
}

async function tryQuota({ api, namespace }: ClusterNode, hard: Record<string, string>) {
  const body = { metadata: { name: 'team' }, spec: { hard } };
  return (await api.createNamespacedResourceQuota({ namespace, body, dryRun: 'All' })).spec?.hard;
}

async function tryLimits({ api, namespace }: ClusterNode, limits: V1LimitRangeItem) {
  const body = { metadata: { name: 'team' }, spec: { limits: [limits] } };
  return (await api.createNamespacedLimitRange({ namespace, body, dryRun: 'All' })).spec?.limits[0];
}

const refusedPods: readonly { readonly title: string; readonly pod: V1Pod; readonly says: string }[] = [
  {
    title: 'bytes',
    pod: memoryPod('10Gi'),
    says: 'container main: nvidia.com/gpu-memory: "10Gi" is read as a number of GiB, not of bytes: write a plain number',
  },
  {
    title: 'bytes in an init container',
    pod: pod('asks', {
      initContainers: [memoryContainer('init', '1Mi')],
      containers: [container('main', 0)],
    }),
    says: 'container init: nvidia.com/gpu-memory: "1Mi" is read as a number of GiB',
  },
  {
    title: 'a whole GPU and memory in one container',
    pod: memoryPod('4', { resources: { limits: { [memory]: '4', 'nvidia.com/gpu': '1' } } }),
    says: 'container main asks for nvidia.com/gpu and for nvidia.com/gpu-memory: ask for one of them',
  },
  {
    title: 'an init container that asks for less than the app container',
    pod: pod('asks', {
      initContainers: [memoryContainer('init', '4')],
      containers: [memoryContainer('main', '6')],
    }),
    says: 'init container init asks for less nvidia.com/gpu-memory than a container after it',
  },
  {
    title: 'a variable that the agent sets',
    pod: memoryPod('4', { env: [{ name: 'SLICEWISE_GPU_MEMORY_MIB', value: '1' }] }),
    says: 'the variable SLICEWISE_GPU_MEMORY_MIB in container main is set by the device plugin',
  },
  {
    title: 'more than one container may have',
    pod: memoryPod('21'),
    says: 'container main asks for 21 of nvidia.com/gpu-memory, and one container may have 20: ask for less',
  },
];

const takenPods: readonly { readonly title: string; readonly pod: V1Pod }[] = [
  { title: 'a number of GiB', pod: memoryPod('20') },
  { title: 'none', pod: memoryPod('0') },
  { title: 'a whole GPU', pod: gpuPod('whole', 1) },
  {
    title: 'a whole GPU in one container and memory in another',
    pod: pod('asks', { containers: [memoryContainer('part', '4'), container('whole', 1)] }),
  },
  {
    title: 'init containers that ask for nothing, or for as much',
    pod: pod('asks', {
      initContainers: [container('first', 0), memoryContainer('second', '6')],
      containers: [memoryContainer('main', '6')],
    }),
  },
  {
    title: 'a sidecar that asks for less: its units stay its own',
    pod: pod('asks', {
      initContainers: [memoryContainer('helper', '1', { restartPolicy: 'Always' })],
      containers: [memoryContainer('main', '6')],
    }),
  },
];

onCluster('the validating policies', () => {
  test('refuse what cannot be meant, in words that say what to write, and nothing else', async () => {
    await using node = await openClusterNode();
    const { config } = clusterClient(node.cluster.paths);
    await using policies = new AsyncDisposableStack();
    policies.use(await applyPolicies(config, validating, '20Gi'));
    for (const each of refusedPods) await waitUntilRefused(each.title, () => tryPod(node, each.pod));
    for (const { title, pod: body, says } of refusedPods)
      expect(`${title}: ${await refusalOf(tryPod(node, body))}`).toContain(says);
    for (const { title, pod: body } of takenPods) {
      const taken = await tryPod(node, body);
      expect([title, taken.metadata?.namespace]).toEqual([title, node.namespace]);
    }

    await waitUntilRefused('a byte value in a quota', () => tryQuota(node, { [requests]: '10Gi' }));
    const bare = await refusalOf(tryQuota(node, { [memory]: '10', [`limits.${memory}`]: '10' }));
    expect(bare).toContain(`limits nothing: write "${requests}", in GiB as a plain number`);
    const bytes = await refusalOf(tryQuota(node, { [requests]: '10Gi' }));
    expect(bytes).toContain(`${requests}: "10Gi" is read as a number of GiB, not of bytes`);
    expect(await tryQuota(node, { [requests]: '10', 'requests.cpu': '10Gi' })).toMatchObject({
      [requests]: '10',
    });
  });

  test('warn of a limit range that gives GPU memory to everybody', async () => {
    await using node = await openClusterNode();
    const { api, config } = clusterClient(node.cluster.paths);
    await using policies = new AsyncDisposableStack();
    policies.use(await applyPolicies(config, validating));
    const warning = async (limits: V1LimitRangeItem): Promise<string> => {
      const body = { metadata: { name: 'team' }, spec: { limits: [limits] } };
      const request = { namespace: node.namespace, body, dryRun: 'All' };
      return (await api.createNamespacedLimitRangeWithHttpInfo(request)).headers['warning'] ?? '';
    };
    const alone = { type: 'Container', max: { [memory]: '10' } };
    const seen = await waitFor(
      'it is warned of',
      () => warning(alone),
      (text) => text !== '',
    );
    expect(seen).toContain('write default: {nvidia.com/gpu-memory: 0} beside it');
    const none = { [memory]: '0' };
    expect(await warning(Object.assign(alone, { _default: none, defaultRequest: none }))).toBe('');
  });

  test('refuse bytes in a limit range, wherever they stand in it', async () => {
    await using node = await openClusterNode();
    const { api, config } = clusterClient(node.cluster.paths);
    const { namespace } = node;
    const bytes = { [memory]: '10Gi' };
    const limits: readonly [says: string, V1LimitRangeItem][] = [
      ['max of type Pod', { type: 'Pod', max: bytes }],
      ['max of type Container', { type: 'Container', max: bytes }],
      ['default of type Container', { type: 'Container', _default: bytes }],
      ['defaultRequest of type Container', { type: 'Container', defaultRequest: { [memory]: '1Mi' } }],
      ['min of type Container', { type: 'Container', min: { [memory]: '1073741824' } }],
    ];
    // One from before the policy; that of an earlier test may count for a second still.
    const old = { metadata: { name: 'old' }, spec: { limits: [{ type: 'Container', max: bytes }] } };
    const create = async (): Promise<boolean> =>
      api.createNamespacedLimitRange({ namespace, body: old }).then(
        () => true,
        () => false,
      );
    await waitFor('a limit range in bytes is taken', create, (isTaken) => isTaken);
    await using policies = new AsyncDisposableStack();
    policies.use(await applyPolicies(config, validating));
    await waitUntilRefused('bytes', () => tryLimits(node, { type: 'Pod', max: bytes }));
    for (const [says, item] of limits) {
      const refused = await refusalOf(tryLimits(node, item));
      expect(refused).toContain(`${says}: ${memory}: "`);
      expect(refused).toContain('is read as a number of GiB, not of bytes: write a plain number');
    }
    const good = { type: 'Container', max: { [memory]: '14', cpu: '10Gi' }, _default: { [memory]: '0' } };
    expect(await tryLimits(node, good)).toMatchObject({ max: { [memory]: '14' } });
    expect(await tryLimits(node, { type: 'Container', max: { memory: '10Gi' } })).toBeDefined();

    const stored = await api.readNamespacedLimitRange({ namespace, name: 'old' });
    Object.assign(stored.metadata ?? {}, { labels: { team: 'a' } });
    const labelled = await api.replaceNamespacedLimitRange({ namespace, name: 'old', body: stored });
    expect(labelled.metadata?.labels).toEqual({ team: 'a' });
    const changed = Object.assign(labelled, {
      spec: { limits: [{ type: 'Container', max: { [memory]: '11Gi' } }] },
    });
    expect(
      await refusalOf(api.replaceNamespacedLimitRange({ namespace, name: 'old', body: changed })),
    ).toContain(`${memory}: "11Gi" is read as a number of GiB`);
  });

  test('refuse again after they were deleted and made anew, with another maximum', async () => {
    await using node = await openClusterNode();
    const { config } = clusterClient(node.cluster.paths);
    for (const max of [10, 12, 5]) {
      await using policies = await applyPolicies(config, validating, `${max}Gi`);
      const tooMuch = memoryPod(String(max + 1));
      await waitUntilRefused(`more than ${max}`, () => tryPod(node, tooMuch));
      expect(await refusalOf(tryPod(node, tooMuch))).toContain(`one container may have ${max}: ask for less`);
      expect((await tryPod(node, memoryPod(String(max)))).metadata?.name).toBe('asks');
      // The API server looks once a second for what has changed.
      await policies[Symbol.asyncDispose]();
      await waitFor(
        'nothing is refused',
        () => isTaken(node, tooMuch),
        (taken) => taken,
      );
    }
  });

  test('refuse nothing for its size where no maximum is given', async () => {
    await using node = await openClusterNode();
    const { config } = clusterClient(node.cluster.paths);
    await using policies = new AsyncDisposableStack();
    policies.use(await applyPolicies(config, validating));
    await waitUntilRefused('bytes', () => tryPod(node, memoryPod('10Gi')));
    expect((await tryPod(node, memoryPod('1000'))).metadata?.name).toBe('asks');
  });
});

onCluster('the policy for bytes', () => {
  test('lets 10Gi mean ten gibibytes in pods, quotas and limit ranges', async () => {
    await using node = await openClusterNode();
    const { config } = clusterClient(node.cluster.paths);
    await using policies = new AsyncDisposableStack();
    policies.use(await applyPolicies(config, ['gpu-memory-bytes.yaml', ...validating]));
    const amount = async (asked: string): Promise<string | undefined> =>
      (await tryPod(node, memoryPod(asked))).spec?.containers[0]?.resources?.requests?.[memory];
    await waitFor(
      'pods, quotas and limit ranges are converted',
      async () => [
        await amount('10Gi'),
        (await tryQuota(node, { [memory]: '10Gi' }))?.[requests],
        (await tryLimits(node, { type: 'Container', max: { [memory]: '10Gi' } }))?.max?.[memory],
      ],
      (seen) => seen.every((each) => each === '10'),
    );
    const asked = ['10Gi', '1500Mi', '10G', '1Mi', '1073741825', '1048575', '5', '0'];
    expect(await Promise.all(asked.map(amount))).toEqual(['10', '2', '10', '1', '2', '1048575', '5', '0']);
    const both = await tryPod(
      node,
      pod('asks', {
        initContainers: [memoryContainer('init', '3Gi')],
        containers: [container('none', 0), memoryContainer('main', '3Gi')],
      }),
    );
    expect(both.spec?.initContainers?.[0]?.resources?.limits).toEqual({ [memory]: '3' });
    expect(both.spec?.containers[1]?.resources?.limits).toEqual({ [memory]: '3' });
    expect(await tryQuota(node, { [requests]: '1500Mi', 'requests.cpu': '4' })).toEqual({
      [requests]: '1',
      'requests.cpu': '4',
    });
    expect(
      await tryLimits(node, {
        type: 'Container',
        min: { [memory]: '1500Mi' },
        max: { [memory]: '3000Mi' },
      }),
    ).toMatchObject({ min: { [memory]: '2' }, max: { [memory]: '2' } });

    // The line as an admin writes it, and the pod that is one GiB too much.
    const { api, namespace } = node;
    await api.createNamespacedResourceQuota({
      namespace,
      body: { metadata: { name: 'team' }, spec: { hard: { [memory]: '10Gi' } } },
    });
    const used = async () =>
      (await api.readNamespacedResourceQuota({ namespace, name: 'team' })).status?.used?.[requests];
    await waitFor('the quota counts', used, (seen) => seen === '0');
    await api.createNamespacedPod({ namespace, body: memoryPod('10Gi') });
    const more = pod('more', { containers: [memoryContainer('main', '1Gi')] });
    expect(await refusalOf(api.createNamespacedPod({ namespace, body: more }))).toBe(
      `pods "more" is forbidden: exceeded quota: team, requested: ${requests}=1, used: ${requests}=10, limited: ${requests}=10`,
    );
  });
});

async function isTaken(node: ClusterNode, body: V1Pod): Promise<boolean> {
  return tryPod(node, body).then(
    () => true,
    () => false,
  );
}

/** A policy counts from a second or so after it was made. */
async function waitUntilRefused(what: string, attempt: () => Promise<unknown>): Promise<void> {
  const ask = async (): Promise<boolean> =>
    attempt().then(
      () => false,
      () => true,
    );
  await waitFor(`${what} is refused`, ask, (refused) => refused);
}
