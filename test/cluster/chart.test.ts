import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { chart, helmOrThrow } from './support/helm.ts';
import { agentPod, installChart, release, upgradeChart } from './support/installed-chart.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { identityOf } from './support/pods.ts';
import { memoryPod } from './support/memory-pods.ts';
import { doubleUses, streamPods } from './support/pod-stream.ts';
import { waitFor } from './support/wait.ts';

onCluster('the chart', () => {
  test('installs an agent that offers the GPUs, with no rights that it does not need', async () => {
    await using node = await openClusterNode();
    const startedMs = performance.now();
    await using _ = await installChart(node);
    await node.waitForAmount({ capacity: 4, allocatable: 4 });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    process.stdout.write(`helm install → the node's GPUs: ${seconds} s, with the import of the image\n`);
    await node.pods.run(gpuPod('one', 2));
    expect(await node.pods.gpusSeenBy('one')).toHaveLength(2);

    const name = await agentPod(node);
    const status = await node.pods.execProgram(name, ['slicewise', 'status', '--output', 'json'], 'agent');
    expect(JSON.parse(status.stdout)).toMatchObject({ gpus: expect.any(Array) });
    const look = [
      "const { readFileSync, existsSync, writeFileSync } = require('node:fs');",
      "const capabilities = /CapEff:\\s*(\\w+)/.exec(readFileSync('/proc/1/status', 'utf8'))[1];",
      "const token = existsSync('/var/run/secrets/kubernetes.io/serviceaccount/token');",
      "let root = 'writable'; try { writeFileSync('/etc/x', ''); } catch ({ code }) { root = code; }",
      'console.log(JSON.stringify({ capabilities, token, root }));',
    ].join(' ');
    const rights = await node.pods.execProgram(name, ['/usr/bin/node', '-e', look], 'agent');
    expect(JSON.parse(rights.stdout)).toEqual({
      capabilities: '0000000000000000',
      token: false,
      root: 'EROFS',
    });
  });

  test('refuses by its policies what cannot be meant, and takes them away again', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    const askForBytes = async () =>
      node.api
        .createNamespacedPod({ namespace: node.namespace, body: memoryPod('bytes', '10Gi'), dryRun: 'All' })
        .then(() => 'taken', String);
    {
      await using _ = await installChart(node, { memory: { maxPerContainer: '20Gi' } });
      await waitFor('the policy counts', askForBytes, (text) => text.includes('slicewise-gpu-memory-pods'));
    }
    const left = await helmOrThrow(['list', '--namespace', node.namespace, '--short'], {
      cluster: node.cluster,
    });
    expect(left).toBe('');
    await waitFor(
      'the node offers none',
      async () => node.amount(),
      ({ allocatable }) => allocatable === 0,
    );
  });

  test(
    'replaces the agent without touching a pod, and without failing new ones',
    { timeout: 180_000 },
    async () => {
      await using node = await openClusterNode({ gpus: 8 });
      await using _ = await installChart(node);
      await node.waitForAmount({ capacity: 8, allocatable: 8 });
      await node.pods.run(gpuPod('keeper', 1));
      const kept = await node.pods.gpusSeenBy('keeper');
      const before = identityOf(await node.pods.read('keeper'));
      const stream = streamPods(node, 24);
      for (const round of ['one', 'two'])
        await helmOrThrow(
          [
            'upgrade',
            release,
            chart,
            '--namespace',
            node.namespace,
            '--reuse-values',
            '--wait',
            '--timeout',
            '90s',
          ],
          { cluster: node.cluster, values: { podAnnotations: { round } } },
        );
      const fates = await stream;
      const failed = fates.filter(({ kind }) => kind === 'failed');
      process.stdout.write(`helm upgrade, twice: ${failed.length} of ${fates.length} pods failed\n`);
      expect(doubleUses(fates), 'booked twice').toEqual([]);
      expect(failed).toEqual([]);
      expect(await node.pods.gpusSeenBy('keeper')).toEqual(kept);
      expect(identityOf(await node.pods.read('keeper'))).toEqual(before);
    },
  );

  test('goes on when it needs its account no more', { timeout: 180_000 }, async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using _ = await installChart(node, { config: { map: { default: 'version: v1' } } });
    await upgradeChart(node);
    // By now the account is gone.
    await upgradeChart(node, { podAnnotations: { round: 'two' } });
    await node.waitForAmount({ capacity: 1, allocatable: 1 });
  });

  test('says by an Event which config a node has, past the policy that leaves it its own Events', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    const namespace = 'default';
    const fieldSelector = 'source=slicewise,reason=ConfigApplied';
    // The same said again is the same Event.
    await node.api.deleteCollectionNamespacedEvent({ namespace, fieldSelector });
    await using _ = await installChart(node, { config: { map: { default: 'version: v1' } } });
    await waitFor(
      'the Event is there',
      async () => (await node.api.listNamespacedEvent({ namespace, fieldSelector })).items,
      (events) => events.some(({ message }) => message?.includes('default')),
    );
  });
});
