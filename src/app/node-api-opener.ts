import type { NodeApi, NodeApiOptions, OwnNodeApi } from '../cluster/node-api.ts';

const requestTimeoutMs = 5000;

/** The way to a node at the API server. The client is loaded when it is first opened: an agent that asks nothing there does without. */
export function nodeApiOpener({
  nodeName,
  kubeconfig,
}: Omit<NodeApiOptions, 'timeoutMs'>): () => Promise<NodeApi & OwnNodeApi> {
  return async () => {
    const { openNodeApi } = await import('../cluster/kubernetes-node-api.ts');
    return openNodeApi({ nodeName, kubeconfig, timeoutMs: requestTimeoutMs });
  };
}
