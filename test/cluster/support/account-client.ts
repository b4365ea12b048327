import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterClient } from '../node/readiness.ts';
import type { ClusterNode } from './cluster-node.ts';
import { accountFolder } from './service-account.ts';

/** The API server as the account that is mounted sees it. */
export async function clientOfAccount({ cluster }: ClusterNode): Promise<CoreV1Api> {
  const admin = clusterClient(cluster.paths).config;
  const reached = admin.getCurrentCluster();
  if (reached === null) throw new Error('The kubeconfig names no cluster');
  const config = new KubeConfig();
  const token = await readFile(join(accountFolder(cluster), 'token'), 'utf8');
  config.loadFromClusterAndUser(reached, { name: 'agent', token });
  return config.makeApiClient(CoreV1Api);
}
