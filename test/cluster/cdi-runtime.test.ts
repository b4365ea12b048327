import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Cluster } from './node/cluster.ts';
import { openClusterNode } from './support/cluster-node.ts';
import { installOnNode, look } from './support/node-driver.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { identityOf, waitingOf } from './support/pods.ts';
import { ofGpus } from './support/log-lines.ts';

const gpus = 2;

onCluster('a container runtime', () => {
  test('without CDI leaves devices of annotations out without a word, refuses those of the CRI field, and makes good later', async () => {
    await using driver = await installOnNode(gpus);
    await using node = await openClusterNode({ gpus, values: driver.values });
    await whileWithoutCdi(node.cluster, async () => {
      const agent = await node.startServingAgent([...driver.args, '--device-list-strategy=cdi-annotations']);
      await node.pods.run(gpuPod('by-annotation', 1));
      const seen = await look(node.pods, 'by-annotation', gpus);
      expect(seen).toEqual({ nodes: [], opens: [], env: [], mounts: [], links: [] });
      agent.signal('SIGTERM');
      await agent.exit;
      await node.startServingAgent([...driver.args, '--device-list-strategy=cdi-cri']);
      await node.pods.create(gpuPod('by-field', 1));
      const refused = await node.pods.waitFor('by-field', 'it waits', (pod) =>
        waitingOf(pod).includes('CDI'),
      );
      expect(waitingOf(refused)).toMatch(
        /^CreateContainerError: failed to get container spec opts: CDI devices \(k8s\.device-plugin\.nvidia\.com\/gpu=GPU-\S+\) requested but CDI support is explicitly disabled$/,
      );
    });
    await node.pods.waitUntilRunning('by-field');
    expect((await look(node.pods, 'by-field', gpus)).opens).toHaveLength(1);
  });

  test('that starts again asks nothing new of the agent, and knows the specs', async () => {
    await using driver = await installOnNode(gpus);
    await using node = await openClusterNode({ gpus, values: driver.values });
    const agent = await node.startServingAgent([...driver.args, '--device-list-strategy=cdi-cri']);
    const before = identityOf(await node.pods.run(gpuPod('before', 1)));
    await node.cluster.supervisor.stop('containerd');
    await node.cluster.supervisor.start('containerd');
    await node.pods.run(gpuPod('after', 1));
    expect((await look(node.pods, 'after', gpus)).opens).toHaveLength(1);
    expect(identityOf(await node.pods.read('before'))).toEqual(before);
    expect(agent.log.filter(ofGpus('registered'))).toHaveLength(1);
  });

  test('that cannot find the program of the hooks names it in the status of the pod', async () => {
    await using driver = await installOnNode(gpus);
    await using node = await openClusterNode({ gpus, values: driver.values });
    await node.startServingAgent([
      ...driver.args,
      '--device-list-strategy=cdi-cri',
      '--nvidia-cdi-hook-path=/nowhere/nvidia-cdi-hook',
    ]);
    await node.pods.create(gpuPod('hookless', 1));
    const refused = await node.pods.waitFor('hookless', 'it waits', (seen) =>
      waitingOf(seen).includes('createContainer hook'),
    );
    expect(waitingOf(refused)).toMatch(
      /^RunContainerError: .*fork\/exec \/nowhere\/nvidia-cdi-hook: no such file/,
    );
  });
});

/** Has containerd run with CDI switched off meanwhile. */
async function whileWithoutCdi({ supervisor, paths }: Cluster, use: () => Promise<void>): Promise<void> {
  const file = join(paths.etc, 'containerd.toml');
  const before = await readFile(file, 'utf8');
  const restartWith = async (config: string): Promise<void> => {
    await writeFile(file, config);
    await supervisor.stop('containerd');
    await supervisor.start('containerd');
  };
  try {
    await restartWith(before.replace('cdi_spec_dirs', 'enable_cdi = false\ncdi_spec_dirs'));
    await use();
  } finally {
    await restartWith(before);
  }
}
