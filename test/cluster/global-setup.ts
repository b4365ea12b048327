import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildPrograms } from './build/build-programs.ts';
import { whyNoCluster } from './build/needs.ts';
import { attachCluster, type Cluster, startCluster } from './node/cluster.ts';
import { bundleAgent } from './support/agent-bundle.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the cluster that the tests share; `null` where none can run. */
    readonly clusterState: string | null;
    /** The agent as it is installed. */
    readonly agentBundle: string;
  }
}

/**
 * Brings up the cluster that all files of the project share and bundles the agent, and takes both away in the end. Where no
 * cluster can run the reason is printed and the tests are skipped, but not in CI.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const reason = whyNoCluster();
  if (reason !== null) {
    if ((process.env['CI'] ?? '') !== '')
      throw new Error(`No cluster here, and CI may not skip it: ${reason}`);
    process.stderr.write(`skipped: all tests on a real cluster: ${reason}\n`);
    project.provide('clusterState', null);
    project.provide('agentBundle', '');
    return () => Promise.resolve();
  }
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const removeFolder = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const agent = await bundleAgent(folder);
    const cluster = await openCluster(join(folder, 'c'));
    project.provide('clusterState', cluster.paths.state);
    project.provide('agentBundle', agent);
    return async () => {
      await cluster[Symbol.asyncDispose]();
      await removeFolder();
    };
  } catch (thrown) {
    await removeFolder();
    throw thrown;
  }
}

/** A cluster of the run's own, or the one that runs already in the folder `CLUSTER_STATE`, to try one test again and again. */
async function openCluster(state: string): Promise<Cluster> {
  const running = process.env['CLUSTER_STATE'] ?? '';
  if (running !== '') return attachCluster(running);
  const programs = await buildPrograms();
  const startedMs = performance.now();
  const cluster = await startCluster(programs, state);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stderr.write(`a cluster with Kubernetes ${programs.kubernetes} is Ready after ${seconds} s\n`);
  return cluster;
}
