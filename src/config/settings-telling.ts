import { setting } from './setting.ts';
import { boolean } from './value-kinds.ts';

const group = 'health';

/** What the cluster is told of the health of GPUs. */
export const tellingSettings = {
  'health.condition': setting({
    group,
    flag: 'health-condition',
    env: ['SLICEWISE_HEALTH_CONDITION'],
    kind: boolean(),
    default: true,
    description:
      "Whether the node's condition GPUUnhealthy tells whether its GPUs are well; needs cluster.enabled, and access to nodes/status.",
  }),
  'health.events': setting({
    group,
    flag: 'health-events',
    env: ['SLICEWISE_HEALTH_EVENTS'],
    kind: boolean(),
    default: true,
    description:
      'Whether Events of the node, and of the pods that have the GPU, tell of GPUs that turn bad and are well again, and of errors of programs on them; needs cluster.enabled, and access to events.',
  }),
  'health.taint': setting({
    group,
    flag: 'health-taint',
    env: ['SLICEWISE_HEALTH_TAINT'],
    kind: boolean(),
    default: false,
    description:
      'Whether a node of which no GPU is well is tainted slicewise.io/gpu-unhealthy:NoSchedule; needs cluster.enabled, and access to nodes.',
  }),
  'health.ackAnnotation': setting({
    group,
    flag: 'health-ack-annotation',
    env: ['SLICEWISE_HEALTH_ACK_ANNOTATION'],
    kind: boolean(),
    default: true,
    description:
      "Whether the node's annotation slicewise.io/ack-<GPU> gives a GPU back as 'slicewise health ack' does; needs cluster.enabled, and to list and watch nodes.",
  }),
} as const;
