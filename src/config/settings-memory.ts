import * as z from 'zod';
import { memoryOverrides } from './feature-schemas.ts';
import { deviceReference, formatMemory, memoryMiB } from './file-values.ts';
import { setting } from './setting.ts';
import { boolean, duration, oneOf, optionalStructure, structure, type ValueKind } from './value-kinds.ts';

const group = 'memory';

/** How GPU memory is offered. */
export const memorySettings = {
  'memory.enabled': setting({
    group,
    flag: 'memory-enabled',
    env: ['SLICEWISE_MEMORY_ENABLED'],
    kind: boolean(),
    default: true,
    description:
      'Whether GPU memory is offered as nvidia.com/gpu-memory, beside whole GPUs. A GPU is given in one way or the other at a time.',
  }),
  'memory.unit': setting({
    group,
    flag: 'memory-unit',
    env: ['SLICEWISE_MEMORY_UNIT'],
    kind: memory(someMemoryMiB),
    default: 1024,
    description: 'How much memory one unit is.',
  }),
  'memory.reservedPerGpu': setting({
    group,
    flag: 'memory-reserved-per-gpu',
    env: ['SLICEWISE_MEMORY_RESERVED_PER_GPU'],
    kind: memory(),
    default: 0,
    description: 'Memory of each GPU that is never offered; at least what the driver keeps for itself.',
  }),
  'memory.devices': setting({
    group,
    flag: 'memory-devices',
    env: ['SLICEWISE_MEMORY_DEVICES'],
    kind: deviceList(),
    default: null,
    description:
      'GPUs that are offered by memory alone, all others whole alone; without it every GPU is offered in both ways.',
  }),
  'memory.maxPerContainer': setting({
    group,
    flag: 'memory-max-per-container',
    env: ['SLICEWISE_MEMORY_MAX_PER_CONTAINER'],
    kind: optionalStructure(memoryMiB, 'an amount of memory such as 40Gi', formatMemory),
    default: null,
    description: 'The most that one container may ask for; without it the largest GPU.',
  }),
  'memory.fit': setting({
    group,
    flag: 'memory-fit',
    env: ['SLICEWISE_MEMORY_FIT'],
    kind: oneOf(['guaranteed', 'adaptive', 'sum']),
    default: 'guaranteed',
    description: 'How many units are shown as free while free memory is spread over several GPUs.',
  }),
  'memory.override': setting({
    group,
    flag: 'memory-override',
    env: ['SLICEWISE_MEMORY_OVERRIDE'],
    kind: overrides(),
    default: [],
    description:
      'Total memory of GPUs whose driver does not tell it. In the file a list of {devices, total}; as a flag 0=16Gi,1=16Gi.',
  }),
  'memory.frameworkEnv': setting({
    group,
    flag: 'memory-framework-env',
    env: ['SLICEWISE_MEMORY_FRAMEWORK_ENV'],
    kind: boolean(),
    default: false,
    description: 'Whether containers are given the variables by which frameworks limit their memory.',
  }),
  'memory.releaseDelay': setting({
    group,
    flag: 'memory-release-delay',
    env: ['SLICEWISE_MEMORY_RELEASE_DELAY'],
    kind: duration(0, 3_600_000),
    default: 0,
    description: 'How long memory stays booked after the kubelet has freed it.',
  }),
} as const;

function memory(schema: () => z.ZodType<number> = memoryMiB): ValueKind<number> {
  return { ...structure(schema, 'an amount of memory such as 1Gi or 512Mi'), toFile: formatMemory };
}

function someMemoryMiB(): z.ZodType<number> {
  return memoryMiB().refine((mib) => mib > 0, {
    error: 'an amount of memory above 0, for example 512Mi or 1Gi',
  });
}

function deviceList(): ValueKind<readonly string[] | null> {
  const devices = (): z.ZodType<readonly string[]> => z.array(deviceReference()).min(1);
  return {
    ...optionalStructure(devices, 'a list of GPU indexes or UUIDs'),
    shape: 'list',
    fromText: (_text, parts) => [...parts],
  };
}

function overrides(): ValueKind<z.infer<ReturnType<typeof memoryOverrides>>> {
  return {
    ...structure(memoryOverrides, 'a list of {devices, total}; as a flag <GPU>=<total>'),
    shape: 'list',
    toFile: (given) => given.map(({ devices, total }) => ({ devices, total: formatMemory(total) })),
    fromText: (_text, parts) =>
      parts.map((part) => {
        const [device = '', ...total] = part.split('=');
        return { devices: [device], total: total.join('=') };
      }),
  };
}
