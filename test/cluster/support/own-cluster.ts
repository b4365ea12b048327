import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPrograms } from '../build/build-programs.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../node/cluster.ts';

/** Starts a cluster for one test alone: what it needs cannot be had of the shared one. Disposing ends it. */
export async function startOwnCluster(options: ClusterOptions): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const removeFolder = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const cluster = await startCluster(await buildPrograms(), join(folder, 'c'), options);
    return {
      ...cluster,
      async [Symbol.asyncDispose]() {
        await cluster[Symbol.asyncDispose]();
        await removeFolder();
      },
    };
  } catch (thrown) {
    await removeFolder();
    throw thrown;
  }
}
