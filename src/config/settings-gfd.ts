import { setting } from './setting.ts';
import { absolutePath, boolean, durationOrInfinite, text } from './value-kinds.ts';

const group = 'gfd';
const built = 'default';

/** The settings of NVIDIA's GPU Feature Discovery v0.20 that a config file shared with the plugin may hold. */
export const gfdSettings = {
  'flags.useNodeFeatureAPI': setting({
    group,
    env: ['GFD_USE_NODE_FEATURE_API', 'USE_NODE_FEATURE_API'],
    kind: boolean(),
    default: true,
    built,
    description: 'Whether labels go to a NodeFeature object or to a file.',
  }),
  'flags.gfd.oneshot': setting({
    group,
    env: ['GFD_ONESHOT'],
    kind: boolean(),
    default: false,
    built,
    description: 'Whether to label once and exit.',
  }),
  'flags.gfd.noTimestamp': setting({
    group,
    env: ['GFD_NO_TIMESTAMP'],
    kind: boolean(),
    default: false,
    built,
    description: 'Whether to leave out the label with the time.',
  }),
  'flags.gfd.sleepInterval': setting({
    group,
    env: ['GFD_SLEEP_INTERVAL'],
    kind: durationOrInfinite(),
    default: 60_000,
    built,
    description: 'Pause between two labellings.',
  }),
  'flags.gfd.outputFile': setting({
    group,
    env: ['GFD_OUTPUT_FILE'],
    kind: text('a path or nothing', /^[^\0]*$/),
    default: '/etc/kubernetes/node-feature-discovery/features.d/gfd',
    built,
    description: 'File the labels are written to; empty is standard output.',
  }),
  'flags.gfd.machineTypeFile': setting({
    group,
    env: ['GFD_MACHINE_TYPE_FILE'],
    kind: absolutePath(),
    default: '/sys/class/dmi/id/product_name',
    built,
    description: 'File that holds the type of the machine.',
  }),
} as const;
