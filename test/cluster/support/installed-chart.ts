import { dirname } from 'node:path';
import { agentImage } from '../build/agent-image.ts';
import { importImage } from '../node/cluster.ts';
import type { ClusterNode } from './cluster-node.ts';
import { chart, helm, helmOrThrow } from './helm.ts';

/** The release of a test's own chart, in the test's namespace. */
export const release = 'gpus';

/** What an installation on this node differs in from one with GPUs: the image is there already, and the GPUs are simulated. */
function valuesFor(node: ClusterNode): object {
  const [repository, tag] = agentImage.split(':');
  return { image: { repository, tag, pullPolicy: 'Never' }, ...simulatedGpuValues(node) };
}

/** Values with which the agents find the node's simulated GPUs. */
export function simulatedGpuValues({ gpus }: ClusterNode): object {
  const folder = dirname(gpus.file);
  return {
    deviceDiscoveryStrategy: 'simulated',
    extraEnv: [
      { name: 'SLICEWISE_SCENARIO', value: gpus.file },
      { name: 'SLICEWISE_RESCAN_INTERVAL', value: '1s' },
    ],
    extraVolumes: [{ name: 'scenario', hostPath: { path: folder } }],
    extraVolumeMounts: [{ name: 'scenario', mountPath: folder, readOnly: true }],
  };
}

/**
 * Installs the chart and waits until the agent is ready. Disposing uninstalls it.
 * @param file values of a file, before the others
 */
export async function installChart(
  node: ClusterNode,
  values: object = {},
  file?: string,
): Promise<AsyncDisposable> {
  const { cluster } = node;
  await importImage(cluster.programs, cluster.supervisor, 'agent.tar');
  const uninstall = async (): Promise<void> => {
    const args = ['uninstall', release, '--namespace', node.namespace, '--wait', '--ignore-not-found'];
    await helm(args, { cluster });
  };
  try {
    await runWithValues('install', node, values, file);
  } catch (thrown) {
    await uninstall();
    throw thrown;
  }
  return { [Symbol.asyncDispose]: uninstall };
}

/** Gives the release other values in the place of those that it has, and waits until the agent is ready. */
export async function upgradeChart(node: ClusterNode, values: object = {}, file?: string): Promise<void> {
  await runWithValues('upgrade', node, values, file);
}

async function runWithValues(
  command: 'install' | 'upgrade',
  node: ClusterNode,
  values: object,
  file?: string,
): Promise<void> {
  const where = ['--namespace', node.namespace, ...(file === undefined ? [] : ['--values', file])];
  await helmOrThrow([command, release, chart, ...where, '--wait', '--timeout', '90s'], {
    cluster: node.cluster,
    values: { ...valuesFor(node), ...values },
  });
}

/** The name of the agent's newest pod. */
export async function agentPod({ api, namespace }: ClusterNode): Promise<string> {
  const labelSelector = `app.kubernetes.io/instance=${release}`;
  const { items } = await api.listNamespacedPod({ namespace, labelSelector });
  const running = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  return running.at(-1)?.metadata?.name ?? '';
}
