import { clusterClient } from '../node/readiness.ts';
import type { ClusterNode } from './cluster-node.ts';
import { container, pod } from './pod-spec.ts';
import { Pods } from './pods.ts';
import { applyDeployed } from './policies.ts';
import { type BoundTo, type MountedAccount, mountAccount } from './service-account.ts';

/** The service account of the files in `deploy`. */
const account = { namespace: 'kube-system', name: 'slicewise' };

/**
 * Puts files of `deploy` in force, with their account mounted where the agent's pod would find it.
 * @param options.isBound whether the token is bound to a pod, by which policies know the node that asks
 */
export async function takeAgentsPlace(
  node: ClusterNode,
  files: readonly string[],
  { isBound = false }: { readonly isBound?: boolean } = {},
): Promise<MountedAccount> {
  await using held = new AsyncDisposableStack();
  held.use(await applyDeployed(clusterClient(node.cluster.paths).config, files));
  const place = isBound ? held.use(await runPlace(node)) : null;
  const { env } = held.use(await mountAccount(node, account, place));
  const all = held.move();
  return { env, [Symbol.asyncDispose]: async () => all.disposeAsync() };
}

/** A pod of the account, where the agent's would be. */
async function runPlace({ api, cluster }: ClusterNode): Promise<BoundTo & AsyncDisposable> {
  const pods = new Pods(api, clusterClient(cluster.paths).config, account.namespace);
  const name = 'agents-place';
  const spec = { serviceAccountName: account.name, containers: [container('main', 0)] };
  const { metadata } = await pods.run(pod(name, spec));
  return { name, uid: metadata?.uid ?? '', [Symbol.asyncDispose]: async () => pods.delete(name) };
}
