import * as z from 'zod';
import { exclusions, memoryOverrides, patterns, xidClasses } from './feature-schemas.ts';
import { deviceReference, formatMemory, memoryMiB } from './file-values.ts';
import { setting } from './setting.ts';
import { sharing } from './sharing-schema.ts';
import { boolean, duration, oneOf, optionalPath, structure, type ValueKind } from './value-kinds.ts';

const built = 'default';
const nodeNameWords = 'the name of a node, such as gpu-1';

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
  'memory.enabled': setting({
    group: 'memory',
    kind: boolean(),
    default: false,
    description: 'Whether GPU memory is offered as nvidia.com/gpu-memory.',
  }),
  'memory.unit': setting({
    group: 'memory',
    kind: memory(),
    default: 1024,
    description: 'How much memory one unit is.',
  }),
  'memory.reservedPerGpu': setting({
    group: 'memory',
    kind: memory(),
    default: 0,
    description: 'Memory of each GPU that is never offered; at least what the driver keeps for itself.',
  }),
  'memory.devices': setting({
    group: 'memory',
    kind: optionalStructure(() => z.array(deviceReference()).min(1), 'a list of GPU indexes or UUIDs'),
    default: null,
    description:
      'GPUs that are offered by memory alone, all others whole alone; without it every GPU is offered in both ways.',
  }),
  'memory.maxPerContainer': setting({
    group: 'memory',
    kind: optionalStructure(memoryMiB, 'an amount of memory such as 40Gi', formatMemory),
    default: null,
    description: 'The most that one container may ask for; without it the largest GPU.',
  }),
  'memory.fit': setting({
    group: 'memory',
    kind: oneOf(['guaranteed', 'adaptive', 'sum']),
    default: 'guaranteed',
    description: 'How many units are shown as free while free memory is spread over several GPUs.',
  }),
  'memory.override': setting({
    group: 'memory',
    kind: structure(memoryOverrides, 'a list of {devices, total}'),
    default: [],
    description: 'Total memory of GPUs whose driver does not tell it.',
  }),
  'memory.frameworkEnv': setting({
    group: 'memory',
    kind: boolean(),
    default: false,
    description: 'Whether containers are given the variables by which frameworks limit their memory.',
  }),
  'memory.releaseDelay': setting({
    group: 'memory',
    kind: duration(0, 3_600_000),
    default: 0,
    description: 'How long memory stays booked after the kubelet has freed it.',
  }),
  'health.xids': setting({
    group: 'health',
    kind: structure(xidClasses, 'a map with ignore and unhealthy'),
    default: { ignore: [], unhealthy: [] },
    built,
    description: "Corrections to NVIDIA's classes of driver errors.",
  }),
  exclude: setting({
    group: 'exclude',
    kind: structure(exclusions, 'a list of indexes, UUIDs, PCI addresses and product names'),
    default: ['DGX Display', 'NVIDIA DGX Display'],
    description:
      'GPUs and MIG instances that are not offered at all. A list in the file takes the place of the default.',
  }),
  'cluster.enabled': setting({
    group: 'cluster',
    kind: boolean(),
    default: false,
    description:
      'Whether the agent may talk to the API server. By itself it makes the agent say nothing there: each feature that does has a key of its own.',
  }),
  'cluster.fastStatus': setting({
    group: 'cluster',
    kind: boolean(),
    default: false,
    description:
      "Whether the agent writes the node's allocatable itself, ahead of the kubelet; needs cluster.enabled and access to nodes/status.",
  }),
  'cluster.nodeName': setting({
    group: 'cluster',
    flag: 'node-name',
    env: ['NODE_NAME'],
    kind: optionalStructure(nodeName, nodeNameWords),
    default: null,
    description: "The node's name at the API server; without it the host's name in lower case.",
  }),
  'cluster.kubeconfig': setting({
    group: 'cluster',
    flag: 'kubeconfig',
    env: ['KUBECONFIG'],
    kind: optionalPath(),
    default: null,
    description: "The kubeconfig for the API server; without it the pod's own service account.",
  }),
  'cdi.spec': setting({
    group: 'cdi',
    kind: oneOf(['own', 'toolkit', 'auto']),
    default: 'own',
    description:
      "By which CDI names containers are given GPUs: those of specs that the agent writes, those of the specs of NVIDIA's container toolkit, or the toolkit's if it describes every GPU.",
  }),
} as const;

/** A DNS subdomain, as Kubernetes wants it. */
function nodeName(): z.ZodType<string> {
  return z
    .string({ error: nodeNameWords })
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, { error: nodeNameWords });
}

function memory(): ValueKind<number> {
  return { ...structure(memoryMiB, 'an amount of memory such as 1Gi or 512Mi'), toFile: formatMemory };
}

function optionalStructure<T>(
  schema: () => z.ZodType<T>,
  expected: string,
  toFile: (value: T) => unknown = (value) => value,
): ValueKind<T | null> {
  const kind = structure<T | null>(schema, expected);
  return { ...kind, toFile: (value) => (value === null ? null : toFile(value)) };
}
