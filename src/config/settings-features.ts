import { exclusions, patterns, xidClasses } from './feature-schemas.ts';
import { setting } from './setting.ts';
import { sharing } from './sharing-schema.ts';
import { boolean, oneOf, optionalStructure, structure } from './value-kinds.ts';

const built = 'default';

/** The sections of features, all from the file alone. */
export const featureSettings = {
  'sharing.timeSlicing': setting({
    group: 'sharing',
    kind: optionalStructure(() => sharing(false), 'a map with resources'),
    default: null,
    description: 'Time-slicing: each device of a resource is offered several times.',
  }),
  'sharing.mps': setting({
    group: 'sharing',
    kind: optionalStructure(() => sharing(true), 'a map with resources'),
    default: null,
    built,
    description: 'Sharing through the Multi-Process Service.',
  }),
  'resources.gpus': setting({
    group: 'resources',
    kind: structure(patterns, 'a list of {pattern, name}'),
    default: [{ pattern: '*', name: 'nvidia.com/gpu' }],
    description:
      'Which GPUs are offered as which resource; the first pattern that fits counts, and nvidia.com/gpu where none does.',
  }),
  'resources.mig': setting({
    group: 'resources',
    kind: structure(patterns, 'a list of {pattern, name}'),
    default: [],
    description:
      'Which MIG profiles are offered as which resource; where no pattern fits it is as flags.migStrategy says.',
  }),
  'health.kernelLog': setting({
    group: 'health',
    flag: 'health-kernel-log',
    env: ['SLICEWISE_HEALTH_KERNEL_LOG'],
    kind: boolean(),
    default: false,
    description:
      'Whether driver errors (XIDs) are read from the kernel log as well; needs /dev/kmsg, which only a privileged container may read.',
  }),
  'health.xids': setting({
    group: 'health',
    kind: structure(xidClasses, 'a map with ignore and unhealthy'),
    default: { ignore: [], unhealthy: [] },
    description:
      "Corrections to NVIDIA's classes of driver errors. What has made a GPU unhealthy before an edit goes on doing so.",
  }),
  exclude: setting({
    group: 'exclude',
    kind: structure(exclusions, 'a list of indexes, UUIDs, PCI addresses and product names'),
    default: ['DGX Display', 'NVIDIA DGX Display'],
    description:
      'GPUs and MIG instances that are not offered at all. A list in the file takes the place of the default.',
  }),
  'cdi.spec': setting({
    group: 'cdi',
    kind: oneOf(['own', 'toolkit', 'auto']),
    default: 'own',
    description:
      "By which CDI names containers are given GPUs: those of specs that the agent writes, those of the specs of NVIDIA's container toolkit, or the toolkit's if it describes every GPU.",
  }),
} as const;
