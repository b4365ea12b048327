import { BatchV1Api } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { clusterClient } from './node/readiness.ts';
import { openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { container } from './support/pod-spec.ts';
import { patienceMs, waitFor } from './support/wait.ts';

const completions = 12;

onCluster('a queue of short jobs', () => {
  test('gets the GPUs one after the other, though memory is offered beside them, and no pod fails', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    const agent = node.startAgent();
    await node.waitForAmount({ capacity: 2, allocatable: 2 });
    const { namespace } = node;
    const batch = clusterClient(node.cluster.paths).config.makeApiClient(BatchV1Api);
    await batch.createNamespacedJob({
      namespace,
      body: {
        metadata: { name: 'queue' },
        spec: {
          completions,
          parallelism: 4,
          // One failed pod is the end of the job.
          backoffLimit: 0,
          template: { spec: { restartPolicy: 'Never', containers: [container('main', 1, 'sleep 1')] } },
        },
      },
    });
    const status = await waitFor(
      `${completions} pods have had a GPU`,
      async () => (await batch.readNamespacedJob({ namespace, name: 'queue' })).status ?? {},
      ({ succeeded = 0, failed = 0 }) => succeeded === completions || failed > 0,
      3 * patienceMs,
    );
    expect({ status, refused: agent.log.filter(({ msg }) => msg.startsWith('refused')) }).toMatchObject({
      status: { succeeded: completions },
      refused: [],
    });
  });
});
