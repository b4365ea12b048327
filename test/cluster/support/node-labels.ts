import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { node as nodeLayout } from '../node/layout.ts';
import type { ClusterNode } from './cluster-node.ts';

/** Gives the node labels; `null` takes one away. Disposing takes all of them away. */
export async function labelNode(
  { api }: Pick<ClusterNode, 'api'>,
  labels: Readonly<Record<string, string | null>>,
): Promise<AsyncDisposable> {
  const write = async (changed: typeof labels): Promise<void> => {
    const body = { metadata: { labels: changed } };
    const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    await api.patchNode({ name: nodeLayout.name, body }, asMerge);
  };
  await write(labels);
  const gone = Object.fromEntries(Object.keys(labels).map((name) => [name, null]));
  return { [Symbol.asyncDispose]: async () => write(gone) };
}
