import { posix } from 'node:path';
import type { CdiFeature, FeatureFiles } from '../allocation/cdi/cdi-plan.ts';
import type { DevFiles } from './dev-files.ts';
import { RootedFiles } from './rooted-files.ts';

/** Device nodes of each feature, as a folder and the names in it (nvidia-container-toolkit, internal/discover). */
const nodePatterns: Readonly<Record<CdiFeature, readonly (readonly [folder: string, names: RegExp])[]>> = {
  gdrcopy: [['/dev', /^gdrdrv$/]],
  gds: [['/dev', /^nvidia-fs\d*$/]],
  mofed: [
    ['/dev/infiniband', /^uverbs\d+$/],
    ['/dev/infiniband', /^rdma_cm$/],
  ],
};

/** What of the host's files goes with the nodes. */
const filePaths: Readonly<Record<CdiFeature, readonly string[]>> = {
  gdrcopy: [],
  gds: ['/run/udev', '/etc/cufile.json'],
  mofed: [],
};

/** The files of each feature that is asked for; without a device node there is nothing of it. */
export async function findFeatureFiles(
  features: readonly CdiFeature[],
  root: { readonly seenAt: string; readonly onHost: string },
  dev: DevFiles,
): Promise<ReadonlyMap<CdiFeature, FeatureFiles>> {
  const files = new RootedFiles(root.seenAt);
  const found = features.map(async (feature): Promise<readonly [CdiFeature, FeatureFiles]> => {
    const patterns = nodePatterns[feature].map(([folder, names]) => dev.findAll(folder, names));
    const nodes = (await Promise.all(patterns)).flat();
    const paths = nodes.length === 0 ? [] : filePaths[feature];
    const resolved = await Promise.all(paths.map(async (path) => ({ path, at: await files.resolve(path) })));
    const mounts = resolved.flatMap(({ path, at }) =>
      at === null ? [] : [{ hostPath: posix.join(root.onHost, at), containerPath: path }],
    );
    return [feature, { nodes, mounts }];
  });
  return new Map(await Promise.all(found));
}
