import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { node as layoutNode } from '../node/layout.ts';
import type { ClusterNode } from './cluster-node.ts';

/** What a pod with a service account has on the node: its token and the way to the API server. */
export interface MountedAccount extends AsyncDisposable {
  /** For the program that is to find them. */
  readonly env: Readonly<Record<string, string>>;
}

/** A pod that a token is bound to; the API server then knows which node asks. */
export interface BoundTo {
  readonly name: string;
  readonly uid: string;
}

/** Where they lie, as this machine sees it; on the node it is below `/var/run/secrets`. */
export function accountFolder({ paths }: ClusterNode['cluster']): string {
  return join(paths.run, 'secrets/kubernetes.io/serviceaccount');
}

/** Puts the token of a service account where the kubelet mounts it into pods. */
export async function mountAccount(
  { api, cluster }: Pick<ClusterNode, 'api' | 'cluster'>,
  account: { readonly namespace: string; readonly name: string },
  pod: BoundTo | null = null,
): Promise<MountedAccount> {
  const { status } = await api.createNamespacedServiceAccountToken({
    ...account,
    body: {
      spec: {
        audiences: ['https://kubernetes.default.svc'],
        expirationSeconds: 3600,
        ...(pod !== null && {
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid },
        }),
      },
    },
  });
  const folder = accountFolder(cluster);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'token'), status?.token ?? '', { mode: 0o600 });
  await copyFile(join(cluster.paths.etc, 'ca.crt'), join(folder, 'ca.crt'));
  return {
    env: {
      KUBERNETES_SERVICE_HOST: layoutNode.address,
      KUBERNETES_SERVICE_PORT: '6443',
      NODE_NAME: layoutNode.name,
    },
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }),
  };
}
