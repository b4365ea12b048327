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
    flag: 'no-timestamp',
    env: ['GFD_NO_TIMESTAMP'],
    kind: boolean(),
    default: false,
    description: 'Whether to leave out the label with the time at which labelling began.',
  }),
  'flags.gfd.sleepInterval': setting({
    group,
    flag: 'sleep-interval',
    env: ['GFD_SLEEP_INTERVAL'],
    kind: durationOrInfinite(),
    default: 60_000,
    description:
      'How often a feature file is looked after; what changes on the node is written at once. With infinite the file also stays when the agent ends.',
  }),
  'flags.gfd.outputFile': setting({
    group,
    flag: 'output-file',
    env: ['GFD_OUTPUT_FILE'],
    kind: text('a path or nothing', /^[^\0]*$/),
    default: '/etc/kubernetes/node-feature-discovery/features.d/gfd',
    description: 'Feature file that labels.output file writes.',
  }),
  'flags.gfd.machineTypeFile': setting({
    group,
    flag: 'machine-type-file',
    env: ['GFD_MACHINE_TYPE_FILE'],
    kind: absolutePath(),
    default: '/sys/class/dmi/id/product_name',
    description: 'File that holds the type of the machine.',
  }),
} as const;
