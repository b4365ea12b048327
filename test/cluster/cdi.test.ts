import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installDriver, libraryFolder, link, put } from '../support/driver-root.ts';
import { openClusterNode } from './support/cluster-node.ts';
import { driverVersion, installOnNode, look, minorsOf, type Sight } from './support/node-driver.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, gpuPod, pod } from './support/pod-spec.ts';

const gpus = 3;

/** What a container has with the GPUs of these minor numbers, when the driver is whole. */
function sightOf(minors: readonly number[]) {
  return {
    nodes: [
      ...minors.flatMap((minor) => [`dri/card${minor}`, `dri/renderD${128 + minor}`, `nvidia${minor}`]),
      'nvidiactl',
    ].toSorted(),
    opens: minors,
    env: [`NVIDIA_CTK_LIBCUDA_DIR=${libraryFolder}`, 'NVIDIA_VISIBLE_DEVICES=void'],
    mounts: [
      `/lib/firmware/nvidia/${driverVersion}/gsp_ga10x.bin`,
      '/usr/bin/nvidia-persistenced',
      '/usr/bin/nvidia-smi',
      ...['libcuda', 'libnvidia-ml', 'libnvidia-ptxjitcompiler'].map(
        (name) => `${libraryFolder}/${name}.so.${driverVersion}`,
      ),
    ],
    links: [
      `libcuda.so -> libcuda.so.1`,
      `libcuda.so.1 -> libcuda.so.${driverVersion}`,
      'libnvidia-ml.so -> libnvidia-ml.so.1',
      `libnvidia-ml.so.1 -> libnvidia-ml.so.${driverVersion}`,
    ].map((each) => `${libraryFolder}/${each}`),
  };
}

const nothing = { nodes: [], opens: [], env: [], mounts: [], links: [] };

/** Made-up drivers that are not as they should be, with what a container has otherwise, and what the agent says of it. */
const driverRoots: Readonly<
  Record<
    string,
    {
      readonly change: (root: string) => Promise<void>;
      readonly sight: Partial<Sight>;
      readonly says: (root: string) => readonly string[];
    }
  >
> = {
  'without libraries': {
    change: async (root) => rm(join(root, libraryFolder), { recursive: true }),
    sight: {
      env: ['NVIDIA_VISIBLE_DEVICES=void'],
      mounts: ['/usr/bin/nvidia-persistenced', '/usr/bin/nvidia-smi'],
      links: [],
    },
    says: (root) => [`CDI: ${root}, seen at /driver-root: it holds no libcuda.so or libnvidia-ml.so`],
  },
  'with two versions of the driver': {
    change: async (root) => {
      await installDriver(root, '590.48.01');
      await put(root, '/usr/bin/nvidia-smi', '#!/bin/sh\n');
    },
    sight: {},
    says: (root) => [
      `CDI: ${root}, seen at /driver-root: it holds libraries of driver ${driverVersion} and 590.48.01; ${driverVersion} is taken, because it is the one that is running`,
    ],
  },
  'with links that lead nowhere, in circles, and out of it': {
    change: async (root) => {
      const at = (name: string): string => `${libraryFolder}/${name}`;
      await link(root, at(`libnvidia-gone.so.${driverVersion}`), 'nowhere.so');
      await link(root, at(`libnvidia-ring.so.${driverVersion}`), `libnvidia-ring.so.${driverVersion}`);
      // The host's, if the link were followed on the host.
      await link(root, at(`libnvidia-out.so.${driverVersion}`), '../../../../../../../bin/busybox');
      await link(root, at('libcuda.so'), '/nowhere/libcuda.so.1');
      await link(root, '/usr/bin/nvidia-debugdump', '/bin/busybox');
    },
    sight: {},
    says: () => [],
  },
};

onCluster('a container that is given GPUs by CDI name', () => {
  test.each(['cdi-cri', 'cdi-annotations', 'envvar,cdi-cri'])(
    'has all that belongs to them and nothing of another GPU, under %s',
    async (strategy) => {
      await using driver = await installOnNode(gpus);
      await using node = await openClusterNode({ gpus, values: driver.values });
      await node.startServingAgent([...driver.args, `--device-list-strategy=${strategy}`]);
      const none = pod('none', { containers: [container('main', 0)] });
      await Promise.all([gpuPod('one', 1), gpuPod('two', 2), none].map((each) => node.pods.run(each)));
      const [one, two] = [await minorsOf(node, 'one'), await minorsOf(node, 'two')];
      expect(new Set([...one, ...two])).toEqual(new Set([0, 1, 2]));
      expect(await look(node.pods, 'one', gpus)).toEqual(sightOf(one));
      expect(await look(node.pods, 'two', gpus)).toEqual(sightOf(two));
      expect(await look(node.pods, 'none', gpus)).toEqual(nothing);
      const ran = await node.pods.exec('one', '/usr/bin/nvidia-smi; echo x >> /usr/bin/nvidia-smi');
      expect(ran.stdout).toBe('made-up\n');
      expect(ran.stderr).toContain('Read-only file system');
    },
  );

  test.each(Object.entries(driverRoots))(
    'starts with a driver root %s',
    async (_name, { change, sight, says }) => {
      await using driver = await installOnNode(gpus);
      await change(driver.root);
      await using node = await openClusterNode({ gpus, values: driver.values });
      const agent = await node.startServingAgent([...driver.args, '--device-list-strategy=cdi-cri']);
      await node.pods.run(gpuPod('one', 1));
      const [id = ''] = (await node.holdings())['one/main'] ?? [];
      const minors = [node.gpus.ids.indexOf(id)];
      expect(await look(node.pods, 'one', gpus)).toEqual({ ...sightOf(minors), ...sight });
      const said = agent.log.filter(({ msg }) => msg.startsWith('CDI: ')).map(({ msg }) => msg);
      expect(said).toEqual(says(driver.root));
    },
  );
});
