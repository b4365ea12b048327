import { KubernetesObjectApi } from '@kubernetes/client-node';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterClient } from './node/readiness.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { examplesFolder, type Fate, useExample, type UsedExample } from './support/examples.ts';
import { chart } from './support/helm.ts';
import { installChart, upgradeChart } from './support/installed-chart.ts';
import { waitForAmounts } from './support/node-amounts.ts';
import { installOnNode, look } from './support/node-driver.ts';
import { labelNode } from './support/node-labels.ts';
import { ownNamespace } from './support/own-namespace.ts';
import { onCluster } from './support/on-cluster.ts';
import { Pods } from './support/pods.ts';
import { waitFor } from './support/wait.ts';

const gpu = 'nvidia.com/gpu';
const memory = `${gpu}-memory`;
const shared = `${gpu}.shared`;
const small = 'nvidia.com/mig-1g.10gb';
const product = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' };
const v100 = [{ model: 'v100-sxm2-32gb', count: 5 }];
const h100 = [
  { model: 'h100-80gb-hbm3', mig: ['1g.10gb', '1g.10gb'] },
  { model: 'h100-80gb-hbm3', count: 5 },
];

/** A use of the chart, and what becomes of each example: the GPUs on which its pods run, or what they wait for. */
interface Round {
  /** A file of the chart's examples. */
  readonly values?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly gpus: readonly object[];
  readonly offers: Readonly<Record<string, string>>;
  readonly fates: Readonly<Record<string, Fate>>;
}

const wholeOnes: Round['fates'] = {
  'whole-gpu': { gpus: 1 },
  graphics: { gpus: 1 },
  'node-selector': { gpus: 1 },
  'gpu-memory': { gpus: 1 },
  'time-slices': { waitsFor: `Insufficient ${shared}` },
  mig: { waitsFor: `Insufficient ${small}` },
};

const rounds: Readonly<Record<string, Round>> = {
  'no values': { labels: product, gpus: v100, offers: { [gpu]: '5/5' }, fates: wholeOnes },
  'gpu-memory': {
    values: 'gpu-memory',
    gpus: v100,
    offers: { [gpu]: '5/5' },
    fates: {
      ...wholeOnes,
      'node-selector': { waitsFor: "node(s) didn't match Pod's node affinity/selector" },
    },
  },
  'from-nvidia': {
    values: 'from-nvidia',
    labels: { ...product, 'nvidia.com/gpu.present': 'true' },
    gpus: v100,
    offers: { [gpu]: '5/5' },
    fates: wholeOnes,
  },
  'time-slices, on a node without the label': {
    values: 'time-slices',
    labels: product,
    gpus: v100,
    offers: { [gpu]: '5/5' },
    fates: wholeOnes,
  },
  'time-slices, on a node with the label': {
    values: 'time-slices',
    labels: { ...product, 'nvidia.com/device-plugin.config': 'shared' },
    gpus: v100,
    offers: { [shared]: '20/20' },
    fates: {
      'time-slices': { gpus: 4 },
      'whole-gpu': { waitsFor: `Insufficient ${gpu}` },
      graphics: { waitsFor: `Insufficient ${gpu}` },
      'node-selector': { waitsFor: `Insufficient ${gpu}` },
      'gpu-memory': { waitsFor: `Insufficient ${memory}` },
      mig: { waitsFor: `Insufficient ${small}` },
    },
  },
  mig: {
    values: 'mig',
    labels: product,
    gpus: h100,
    offers: { [gpu]: '5/5', [small]: '2/2' },
    fates: { ...wholeOnes, mig: { gpus: 1 } },
  },
};

/** The chart on the node of this file, with a namespace for each example. */
interface Place {
  readonly node: ClusterNode;
  readonly held: AsyncDisposableStack;
  readonly examples: readonly string[];
}

onCluster('the examples', () => {
  let place: Place;
  beforeAll(async () => {
    await using held = new AsyncDisposableStack();
    const node = held.use(await openClusterNode());
    const examples = await listExamples();
    for (const example of examples) held.use(await ownNamespace(node.api, namespaceOf(node, example)));
    held.use(await installChart(node));
    place = { node, held: held.move(), examples };
  });
  afterAll(async () => place.held.disposeAsync());

  describe('with the values', () => {
    test.for(Object.entries(rounds))('%s', { timeout: 180_000 }, async ([, round]) => {
      const { node, examples } = place;
      expect(Object.keys(round.fates).toSorted()).toEqual(examples);
      await node.gpus.replace(round.gpus);
      await using _ = await labelNode(node, round.labels ?? {});
      const { values } = round;
      await upgradeChart(node, {}, values === undefined ? undefined : join(chart, `examples/${values}.yaml`));
      await waitForAmounts(node, round.offers);
      const { config } = clusterClient(node.cluster.paths);
      const api = KubernetesObjectApi.makeApiClient(config);
      await using used = new AsyncDisposableStack();
      const uses = new Map<string, UsedExample>();
      const use = async (example: string): Promise<void> => {
        const inUse = await useExample({ api, config }, example, namespaceOf(node, example));
        uses.set(example, used.use(inUse));
      };
      // A GPU that has just been taken by the gigabyte may still be chosen whole, for as long as the kubelet has not read the new list.
      await use('gpu-memory');
      const isAsItShould = (seen: unknown): boolean => isDeepStrictEqual(seen, round.fates['gpu-memory']);
      await waitFor(
        'gpu-memory fares as it should',
        async () => uses.get('gpu-memory')?.fate(),
        isAsItShould,
      );
      for (const example of examples.filter((name) => name !== 'gpu-memory')) await use(example);
      const ask = async (): Promise<Round['fates']> => {
        const fates = [...uses].map(async ([example, inUse]) => [example, await inUse.fate()] as const);
        return Object.fromEntries(await Promise.all(fates));
      };
      const isClear = (seen: Round['fates']): boolean =>
        isDeepStrictEqual(seen, round.fates) || Object.values(seen).some((fate) => 'failed' in fate);
      expect(await waitFor('the examples fare as they should', ask, isClear)).toEqual(round.fates);
    });
  });
});

onCluster('an example with the values cdi', () => {
  test('has its GPU by the device nodes of a made-up driver', { timeout: 180_000 }, async () => {
    await using driver = await installOnNode(1);
    await using node = await openClusterNode({ gpus: 1 });
    await using held = new AsyncDisposableStack();
    const namespace = namespaceOf(node, 'whole-gpu');
    held.use(await ownNamespace(node.api, namespace));
    held.use(await installChart(node, driver.values, join(chart, 'examples/cdi.yaml')));
    await waitForAmounts(node, { [gpu]: '1/1' });
    const { config } = clusterClient(node.cluster.paths);
    const api = KubernetesObjectApi.makeApiClient(config);
    held.use(await useExample({ api, config }, 'whole-gpu', namespace));
    const pods = new Pods(node.api, config, namespace);
    await pods.waitUntilRunning('whole-gpu');
    expect((await look(pods, 'whole-gpu', 1)).opens).toEqual([0]);
  });
});

test('every file of values that comes with the chart is tried', async () => {
  const tried = new Set([...Object.values(rounds).map(({ values }) => values), 'cdi']);
  const files = (await readdir(join(chart, 'examples'))).map((name) => name.replace('.yaml', ''));
  expect(files.filter((name) => !tried.has(name))).toEqual([]);
});

async function listExamples(): Promise<readonly string[]> {
  return (await readdir(examplesFolder)).map((name) => name.replace('.yaml', '')).toSorted();
}

function namespaceOf({ namespace }: ClusterNode, example: string): string {
  return `${namespace}-${example}`;
}
