import {
  loadAllYaml,
  type KubernetesObject,
  KubernetesObjectApi,
  type V1PodSpec,
} from '@kubernetes/client-node';
import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { images } from './build/images.ts';
import { node as nodeLayout } from './node/layout.ts';
import { clusterClient } from './node/readiness.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { chart } from './support/helm.ts';
import { installChart } from './support/installed-chart.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuResource } from './support/pod-spec.ts';
import { waitFor } from './support/wait.ts';

const folder = join(import.meta.dirname, '../../deploy/examples');
const label = 'nvidia.com/device-plugin.config';
const v100 = { model: 'v100-sxm2-32gb', count: 4 };
const h100 = { model: 'h100-80gb-hbm3' };

/** An example of use, the values of the chart that go with it, the GPUs, and what its containers see. */
const uses = [
  { use: 'whole-gpu', gpus: [v100], pods: 1, differentGpus: 1 },
  { use: 'graphics', gpus: [v100], pods: 1, differentGpus: 1 },
  { use: 'mig', values: 'mig', gpus: [{ ...h100, mig: ['1g.10gb', '1g.10gb'] }], pods: 1, differentGpus: 1 },
  { use: 'whole-gpu', values: 'time-slices', gpus: [v100], pods: 1, differentGpus: 1 },
  { use: 'whole-gpu', values: 'from-nvidia', nodeHasGpus: true, gpus: [v100], pods: 1, differentGpus: 1 },
] as const;

async function writeGpus({ gpus: { file } }: ClusterNode, gpus: readonly object[]): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify({ name: 'node', gpus }));
  await rename(`${file}.new`, file);
}

/** Labels of the node; taken away again. */
async function labelNode(
  { api }: ClusterNode,
  labels: Readonly<Record<string, string>>,
): Promise<AsyncDisposable> {
  const write = async (entries: Readonly<Record<string, string | null>>): Promise<void> => {
    const operations = Object.entries(entries).map(([name, value]) => {
      const path = `/metadata/labels/${name.replaceAll('/', '~1')}`;
      return value === null ? { op: 'remove', path } : { op: 'add', path, value };
    });
    if (operations.length > 0) await api.patchNode({ name: nodeLayout.name, body: operations });
  };
  await write(labels);
  const gone = Object.fromEntries(Object.keys(labels).map((name) => [name, null]));
  return { [Symbol.asyncDispose]: async () => write(gone) };
}

/** The example as it stands, with an image that is on the node and prints what it sees. */
async function readExample(use: string): Promise<readonly KubernetesObject[]> {
  const objects = loadAllYaml(await readFile(join(folder, `${use}.yaml`), 'utf8')) as KubernetesObject[];
  const script = 'echo "gpus=$NVIDIA_VISIBLE_DEVICES"; trap "exit 0" TERM; while :; do sleep 0.2; done';
  for (const object of objects) {
    const spec = podSpecOf(object);
    for (const container of spec?.containers ?? [])
      Object.assign(container, {
        image: images.busybox,
        imagePullPolicy: 'Never',
        command: ['sh', '-c', script],
      });
  }
  return objects;
}

function podSpecOf(object: KubernetesObject): V1PodSpec | undefined {
  const { spec } = object as { spec?: V1PodSpec & { template?: { spec?: V1PodSpec } } };
  return object.kind === 'Pod' ? spec : spec?.template?.spec;
}

onCluster('the examples', () => {
  test.for(uses)('$use, with the values $values', { timeout: 120_000 }, async (example) => {
    const { use, gpus, pods, differentGpus } = example;
    await using node = await openClusterNode();
    await writeGpus(node, gpus);
    await using held = new AsyncDisposableStack();
    const labels = {
      ...('nodeHasGpus' in example && { 'nvidia.com/gpu.present': 'true' }),
    };
    held.use(await labelNode(node, labels));
    const values = 'values' in example ? join(chart, 'examples', `${example.values}.yaml`) : undefined;
    held.use(await installChart(node, {}, values));
    const api = KubernetesObjectApi.makeApiClient(clusterClient(node.cluster.paths).config);
    for (const object of await readExample(use))
      await api.create(
        Object.assign(object, {
          metadata: Object.assign(object.metadata ?? {}, { namespace: node.namespace }),
        }),
      );
    const readPods = async () =>
      (await node.pods.list()).filter(({ metadata }) => !(metadata?.name ?? '').startsWith('gpus-'));
    const running = await waitFor('the pods run', readPods, (seen) => {
      return seen.length === pods && seen.every(({ status }) => status?.phase === 'Running');
    });
    const seen = await Promise.all(
      running.map(async ({ metadata }) => node.pods.gpusSeenBy(metadata?.name ?? '')),
    );
    expect(new Set(seen.flat()).size).toBe(differentGpus);
    expect(seen.flat().every((gpu) => /^(GPU|MIG)-/.test(gpu))).toBe(true);
  });

  test('a node that the label gives another config offers no whole GPUs', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await using held = new AsyncDisposableStack();
    held.use(await installChart(node, {}, join(chart, 'examples/time-slices.yaml')));
    await node.waitForAmount({ capacity: 2, allocatable: 2 });
    held.use(await labelNode(node, { [label]: 'shared' }));
    const shared = async () =>
      (await node.api.readNode({ name: nodeLayout.name })).status?.allocatable?.[`${gpuResource}.shared`];
    await waitFor('the GPUs are shared', shared, (count) => count === '8');
    await waitFor(
      'none is whole',
      async () => node.amount(),
      ({ allocatable }) => allocatable === 0,
    );
  });
});

test('every example is tried, but for those that are named', async () => {
  const tried = new Set<string>(uses.map(({ use }) => use));
  const found = (await readdir(folder)).map((name) => name.replace('.yaml', ''));
  // The one selects labels of real GPUs; the others are Deployments, which this test does not take away.
  expect(found.filter((name) => !tried.has(name)).toSorted()).toEqual([
    'gpu-memory',
    'node-selector',
    'time-slices',
  ]);
});
