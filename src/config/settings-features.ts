import * as z from 'zod';
import {
  deviceReference,
  deviceSelection,
  formatMemory,
  memoryMiB,
  resourceName,
  section,
} from './file-values.ts';
import { setting } from './setting.ts';
import { boolean, duration, oneOf, structure, type ValueKind } from './value-kinds.ts';

const built = 'default';

const sharedResources = z
  .array(
    section({
      name: resourceName.describe('The resource to share.'),
      rename: resourceName.optional().describe('Another name for the shared resource.'),
      devices: deviceSelection
        .default('all')
        .describe('The GPUs or MIG instances to share; all when left out.'),
      replicas: z.int().min(2).describe('How many containers share one device.'),
    }),
  )
  .min(1)
  .superRefine((entries, context) => {
    const names = entries.map(({ name }) => name);
    const index = names.findIndex((name, position) => names.indexOf(name) < position);
    if (index < 0) return;
    context.addIssue({ code: 'custom', path: [index, 'name'], message: 'each resource once' });
  });

/** A sharing block; one that is there names at least one resource (rule V4 of NVIDIA's file). */
function sharing(failRequestsGreaterThanOne: boolean) {
  return section({
    renameByDefault: z
      .boolean()
      .default(false)
      .describe('Whether shared resources are called <name>.shared.'),
    failRequestsGreaterThanOne: z
      .boolean()
      .default(failRequestsGreaterThanOne)
      .describe('Whether a container may ask for more than one share.'),
    resources: sharedResources.describe('What is shared.'),
  });
}

const pattern = section({
  pattern: z
    .string()
    .min(1)
    .describe('Product name of a GPU or profile of a MIG instance; * stands for any characters.'),
  name: resourceName.describe('The resource that it is offered as.'),
});

const xids = z.array(z.int().min(1).max(999));

/** The sections of features, all from the file alone. */
export const featureSettings = {
  'sharing.timeSlicing': setting({
    group: 'sharing',
    kind: optionalStructure(sharing(false), 'a map with resources'),
    default: null,
    built,
    description: 'Time-slicing: each device of a resource is offered several times.',
  }),
  'sharing.mps': setting({
    group: 'sharing',
    kind: optionalStructure(sharing(true), 'a map with resources'),
    default: null,
    built,
    description: 'Sharing through the Multi-Process Service.',
  }),
  'resources.gpus': setting({
    group: 'resources',
    kind: structure(z.array(pattern), 'a list of {pattern, name}'),
    default: [{ pattern: '*', name: 'nvidia.com/gpu' }],
    built,
    description: 'Which GPUs are offered as which resource; the first pattern that fits counts.',
  }),
  'resources.mig': setting({
    group: 'resources',
    kind: structure(z.array(pattern), 'a list of {pattern, name}'),
    default: [],
    built,
    description: 'Which MIG profiles are offered as which resource.',
  }),
  'memory.enabled': setting({
    group: 'memory',
    kind: boolean(),
    default: false,
    built,
    description: 'Whether GPU memory is offered as nvidia.com/gpu-memory.',
  }),
  'memory.unit': setting({
    group: 'memory',
    kind: memory(),
    default: 1024,
    built,
    description: 'How much memory one unit is.',
  }),
  'memory.reservedPerGpu': setting({
    group: 'memory',
    kind: memory(),
    default: 0,
    built,
    description: 'Memory of each GPU that is never offered; at least what the driver keeps for itself.',
  }),
  'memory.devices': setting({
    group: 'memory',
    kind: optionalStructure(z.array(deviceReference).min(1), 'a list of GPU indexes or UUIDs'),
    default: null,
    built,
    description:
      'GPUs that are offered by memory alone, all others whole alone; without it every GPU is offered in both ways.',
  }),
  'memory.maxPerContainer': setting({
    group: 'memory',
    kind: optionalStructure(memoryMiB, 'an amount of memory such as 40Gi', formatMemory),
    default: null,
    built,
    description: 'The most that one container may ask for; without it the largest GPU.',
  }),
  'memory.fit': setting({
    group: 'memory',
    kind: oneOf(['guaranteed', 'adaptive', 'sum']),
    default: 'guaranteed',
    built,
    description: 'How many units are shown as free while free memory is spread over several GPUs.',
  }),
  'memory.override': setting({
    group: 'memory',
    kind: structure(
      z.array(
        section({
          devices: z.array(deviceReference).min(1).describe('The GPUs that it is about.'),
          total: memoryMiB.describe('Their total memory.'),
        }),
      ),
      'a list of {devices, total}',
    ),
    default: [],
    built,
    description: 'Total memory of GPUs whose driver does not tell it.',
  }),
  'memory.frameworkEnv': setting({
    group: 'memory',
    kind: boolean(),
    default: false,
    built,
    description: 'Whether containers are given the variables by which frameworks limit their memory.',
  }),
  'memory.releaseDelay': setting({
    group: 'memory',
    kind: duration(0, 3_600_000),
    default: 0,
    built,
    description: 'How long memory stays booked after the kubelet has freed it.',
  }),
  'health.xids': setting({
    group: 'health',
    kind: structure(
      section({
        ignore: xids.default([]).describe('XIDs that do not make a GPU unhealthy.'),
        unhealthy: xids.default([]).describe('XIDs that make a GPU unhealthy.'),
      }),
      'a map with ignore and unhealthy',
    ),
    default: { ignore: [], unhealthy: [] },
    built,
    description: "Corrections to NVIDIA's classes of driver errors.",
  }),
  exclude: setting({
    group: 'exclude',
    kind: structure(z.array(deviceReference), 'a list of GPU indexes, MIG indexes or UUIDs'),
    default: [],
    built,
    description: 'GPUs and MIG instances that are not offered at all.',
  }),
  'cluster.enabled': setting({
    group: 'cluster',
    kind: boolean(),
    default: false,
    built,
    description: 'Whether the agent talks to the API server: node labels, a condition, Events.',
  }),
  'cluster.fastStatus': setting({
    group: 'cluster',
    kind: boolean(),
    default: false,
    built,
    description: "Whether the agent writes the node's allocatable itself, ahead of the kubelet.",
  }),
  'cdi.spec': setting({
    group: 'cdi',
    kind: oneOf(['managed', 'external']),
    default: 'managed',
    built,
    description: 'Whether the agent writes the CDI specs or something else on the node does.',
  }),
} as const;

function memory(): ValueKind<number> {
  return { ...structure(memoryMiB, 'an amount of memory such as 1Gi or 512Mi'), toFile: formatMemory };
}

function optionalStructure<T>(
  schema: z.ZodType<T>,
  expected: string,
  toFile: (value: T) => unknown = (value) => value,
): ValueKind<T | null> {
  const kind = structure<T | null>(schema, expected);
  return { ...kind, toFile: (value) => (value === null ? null : toFile(value)) };
}
