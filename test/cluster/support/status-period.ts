import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterNode } from './cluster-node.ts';

/** Lets the node's kubelet send the node's status as seldom as this, until disposed of. Restarts the kubelet, so no pod should run. */
export async function sendStatusEvery(
  { cluster, kubelet }: ClusterNode,
  seconds: number,
): Promise<AsyncDisposable> {
  const file = join(cluster.paths.etc, 'kubelet.json');
  const before = await readFile(file, 'utf8');
  const restart = async (content: string): Promise<void> => {
    await writeFile(file, content);
    await kubelet.restart('SIGTERM');
  };
  const config = JSON.parse(before) as object;
  await restart(JSON.stringify({ ...config, nodeStatusUpdateFrequency: `${seconds}s` }));
  return { [Symbol.asyncDispose]: async () => restart(before) };
}
