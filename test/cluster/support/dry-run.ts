import { execFileSync } from 'node:child_process';
import type { ClusterNode } from './cluster-node.ts';

/**
 * Has the API server take objects without keeping them. A field that it does not know is an error too.
 * @returns a line for each object
 * @throws with the API server's words
 */
export function dryRun({ cluster }: Pick<ClusterNode, 'cluster'>, text: string): readonly string[] {
  const command = ['create', '--dry-run=server', '--validate=strict', '--filename=-'];
  const said = execFileSync(cluster.programs.path('kubectl'), command, {
    input: text,
    encoding: 'utf8',
    // What it caches goes with the cluster.
    env: { KUBECONFIG: cluster.paths.kubeconfig, HOME: cluster.paths.state },
  });
  return said.trimEnd().split('\n');
}
