import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildPrograms, type Programs } from './build/build-programs.ts';
import { whyNoCluster } from './build/needs.ts';
import { attachCluster, startCluster } from './node/cluster.ts';
import { type AgentImage, layOutImage } from './support/agent-image-files.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folders of the clusters that the tests share, one for each worker; empty where none can run. */
    readonly clusterStates: readonly string[];
    /** What the agents are started from. */
    readonly agentImage: AgentImage;
  }
}

/**
 * Brings up a cluster for each worker, which the files that it runs share, and lays out the agent's image, and takes all away in the end.
 * Where no cluster can run the reason is printed and the tests are skipped, but not in CI.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const reason = whyNoCluster();
  if (reason !== null) {
    if ((process.env['CI'] ?? '') !== '')
      throw new Error(`No cluster here, and CI may not skip it: ${reason}`);
    process.stderr.write(`skipped: all tests on a real cluster: ${reason}\n`);
    project.provide('clusterStates', []);
    project.provide('agentImage', { rootfs: '', entrypoint: [], env: {} });
    return () => Promise.resolve();
  }
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const removeFolder = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  const clusters = new AsyncDisposableStack();
  clusters.defer(removeFolder);
  try {
    const programs =
      runningState === '' ? await buildPrograms() : (await attachCluster(runningState)).programs;
    project.provide('agentImage', await layOutImage(programs.path('agent.tar'), join(folder, 'image')));
    project.provide(
      'clusterStates',
      await openClusters(programs, project.config.maxWorkers, folder, clusters),
    );
    return async () => clusters.disposeAsync();
  } catch (thrown) {
    await clusters.disposeAsync();
    throw thrown;
  }
}

const runningState = process.env['CLUSTER_STATE'] ?? '';

/**
 * Clusters of the run's own, or the one that runs already in the folder `CLUSTER_STATE`, to try one test again and again.
 * @returns their folders
 */
async function openClusters(
  programs: Programs,
  count: number,
  folder: string,
  clusters: AsyncDisposableStack,
): Promise<readonly string[]> {
  if (runningState !== '') return [runningState];
  const startedMs = performance.now();
  const states = Array.from({ length: count }, (_none, index) => join(folder, `c${index + 1}`));
  const started = await Promise.allSettled(states.map(async (state) => startCluster(programs, state)));
  for (const each of started) if (each.status === 'fulfilled') clusters.use(each.value);
  for (const each of started) if (each.status === 'rejected') throw each.reason;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stderr.write(
    `${count} clusters with Kubernetes ${programs.kubernetes} are Ready after ${seconds} s\n`,
  );
  return states;
}
