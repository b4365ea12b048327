import { loadAllYaml, type KubernetesObject, type V1DaemonSet } from '@kubernetes/client-node';
import { expect } from 'vitest';
import { chart, type HelmEnd, helm, helmOrThrow } from './helm.ts';

/** Where the chart would be installed when a test only renders it. */
export const where = ['--namespace', 'gpus', '--kube-version', '1.36.3'];

/** What the chart makes of some values, the hooks included. */
export async function renderChart(
  values: object = {},
  args: readonly string[] = where,
): Promise<readonly KubernetesObject[]> {
  const text = await helmOrThrow(['template', 'slicewise', chart, ...args], { values });
  return (loadAllYaml(text) as (KubernetesObject | null)[]).filter((object) => object !== null);
}

/** The same without the hooks: what is there after an installation. */
export async function renderInstalled(
  values: object = {},
  args: readonly string[] = where,
): Promise<readonly KubernetesObject[]> {
  return renderChart(values, [...args, '--no-hooks']);
}

/** The only DaemonSet of these. */
export function daemonSet(objects: readonly KubernetesObject[]): V1DaemonSet {
  const found = objects.filter(({ kind }) => kind === 'DaemonSet');
  expect(found).toHaveLength(1);
  return found[0] as V1DaemonSet;
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
