import { setting } from './setting.ts';
import { oneOf } from './value-kinds.ts';

/** Where the node's labels go. */
export const labelSettings = {
  'labels.output': setting({
    group: 'labels',
    flag: 'labels-output',
    env: ['SLICEWISE_LABELS_OUTPUT'],
    kind: oneOf(['none', 'file', 'api']),
    default: 'none',
    description:
      "Where the node's labels are written: nowhere, to a feature file of node-feature-discovery (flags.gfd.outputFile; needs no token), or to the node at the API server (needs cluster.enabled, and access to nodes).",
  }),
} as const;
