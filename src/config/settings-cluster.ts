import * as z from 'zod';
import { setting } from './setting.ts';
import { boolean, optionalPath, optionalStructure } from './value-kinds.ts';

const group = 'cluster';
const nodeNameWords = 'the name of a node, such as gpu-1';

/** What the agent does at the API server. Without these it never speaks to it. */
export const clusterSettings = {
  'cluster.enabled': setting({
    group,
    flag: 'cluster-enabled',
    env: ['SLICEWISE_CLUSTER_ENABLED'],
    kind: boolean(),
    default: false,
    description:
      'Whether the agent may talk to the API server. What it does there has keys of its own; the health of GPUs is told (health.condition, health.events) unless they say otherwise.',
  }),
  'cluster.fastStatus': setting({
    group,
    flag: 'cluster-fast-status',
    env: ['SLICEWISE_CLUSTER_FAST_STATUS'],
    kind: boolean(),
    default: false,
    description:
      "Whether the agent writes the node's allocatable itself, ahead of the kubelet; needs cluster.enabled, and access to nodes/status.",
  }),
  'cluster.nodeName': setting({
    group,
    flag: 'node-name',
    env: ['NODE_NAME'],
    kind: optionalStructure(nodeName, nodeNameWords),
    default: null,
    description: "The node's name at the API server; without it the host's name in lower case.",
  }),
  'cluster.kubeconfig': setting({
    group,
    flag: 'kubeconfig',
    env: ['KUBECONFIG'],
    kind: optionalPath(),
    default: null,
    description: "The kubeconfig for the API server; without it the pod's own service account.",
  }),
} as const;

/** A DNS subdomain, as Kubernetes wants it. */
function nodeName(): z.ZodType<string> {
  return z
    .string({ error: nodeNameWords })
    .max(253, { error: nodeNameWords })
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, { error: nodeNameWords });
}
