import { dirname } from 'node:path';
import { agentImage } from '../build/agent-image.ts';
import { importImage } from '../node/cluster.ts';
import type { ClusterNode } from './cluster-node.ts';
import { chart, helm, helmOrThrow } from './helm.ts';

/** The release of a test's own chart, in the test's namespace. */
export const release = 'gpus';

/** What an installation on this node differs in from one with GPUs: the image is there already, and the GPUs are simulated. */
function valuesFor({ gpus }: ClusterNode): object {
  const [repository, tag] = agentImage.split(':');
  const folder = dirname(gpus.file);
  return {
    image: { repository, tag, pullPolicy: 'Never' },
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
  const { cluster, namespace } = node;
  await importImage(cluster.programs, cluster.supervisor, 'agent.tar');
  const where = ['--namespace', namespace];
  const files = file === undefined ? [] : ['--values', file];
  await helmOrThrow(['install', release, chart, ...where, ...files, '--wait', '--timeout', '90s'], {
    cluster,
    values: { ...valuesFor(node), ...values },
  });
  return {
    [Symbol.asyncDispose]: async () =>
      void (await helm(['uninstall', release, ...where, '--wait', '--ignore-not-found'], { cluster })),
  };
}

/** The name of the agent's newest pod. */
export async function agentPod({ api, namespace }: ClusterNode): Promise<string> {
  const labelSelector = `app.kubernetes.io/instance=${release}`;
  const { items } = await api.listNamespacedPod({ namespace, labelSelector });
  const running = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  return running.at(-1)?.metadata?.name ?? '';
}
