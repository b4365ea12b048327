import { loadAllYaml, type KubernetesObject, type V1DaemonSet } from '@kubernetes/client-node';
import type { Cluster } from '../node/cluster.ts';
import { chart, type HelmEnd, helm, helmOrThrow } from './helm.ts';

/** Where the chart would be installed when a test only renders it. */
export const where = ['--namespace', 'gpus', '--kube-version', '1.36.3'];

/**
 * What the chart makes of some values, the hooks included.
 * @param cluster the one whose helm is used, where there is one
 */
export async function renderChart(
  values: object = {},
  args: readonly string[] = where,
  cluster?: Cluster,
): Promise<readonly KubernetesObject[]> {
  const options = { values, ...(cluster !== undefined && { cluster }) };
  const text = await helmOrThrow(['template', 'slicewise', chart, ...args], options);
  return (loadAllYaml(text) as (KubernetesObject | null)[]).filter((object) => object !== null);
}

/** The same without the hooks: what is there after an installation. */
export async function renderInstalled(
  values: object = {},
  args: readonly string[] = where,
  cluster?: Cluster,
): Promise<readonly KubernetesObject[]> {
  return renderChart(values, [...args, '--no-hooks'], cluster);
}

/** The only DaemonSet of these. @throws when there is none, or another one */
export function daemonSet(objects: readonly KubernetesObject[]): V1DaemonSet {
  const found = objects.filter(({ kind }) => kind === 'DaemonSet');
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(`There are ${found.length} DaemonSets, not one`);
  return only;
}

/** What an admin would see of an installation, without a cluster: the objects and the notes, or the refusal. */
export async function installDry(
  values: object,
): Promise<HelmEnd & { readonly manifest: string; readonly notes: string }> {
  const args = ['install', 'slicewise', chart, '--namespace', 'gpus', '--dry-run=client'];
  const end = await helm(args, { values });
  const [, manifest = '', notes = ''] = /^MANIFEST:$([^]*)^NOTES:$([^]*)/m.exec(end.stdout) ?? [];
  return { ...end, manifest, notes };
}
