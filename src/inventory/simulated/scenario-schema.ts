import * as z from 'zod';
import { pcieDistances } from '../gpu.ts';
import { incidentEvents, signFigures } from './health-schema.ts';
import { gpuModelNames } from './models.ts';
import { strict } from './strict-object.ts';

/** The presets by name; what each holds is in `presets.ts`. */
export const presetNames = [
  'a100x8',
  'h100x8-nvlink',
  'v100x4',
  'v100x8-cube-mesh',
  'v100x16-cube-mesh',
  'v100x16-nvswitch',
  't4x1',
  'a100x2-mig-mixed',
  'h100x8-mig',
  'mixed-models',
  'none',
] as const;
export type PresetName = (typeof presetNames)[number];

/** What a scenario's GPU is like at a moment: it answers, answers with an error, hides its UUID, or is not there. */
export const gpuStates = ['present', 'lost', 'unreadable', 'absent'] as const;
export type GpuState = (typeof gpuStates)[number];

const mib = z.int().min(0).max(16_777_216);
const position = z.int().min(0).max(63);
const reason = z.string().min(1).max(500).optional();

/** `1500ms`, `5s`, `2m` or `1h`, as milliseconds. */
const duration = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/, 'allowed: a number with a unit: 500ms, 5s, 2m, 1h')
  .transform((text) => Number.parseFloat(text) * unitMs(text));

/** A profile's name as drivers of today write it, or with its details any name. */
const migEntry = z.union([
  z
    .string()
    .regex(
      /^(\d{1,2}c\.)?\d{1,2}g\.\d{1,4}gb([+-][a-z0-9.]{1,20})?$/,
      'allowed: a profile, for example 1g.5gb, 1c.2g.10gb or 1g.5gb+me; a name of another kind as { profile: 1x.5gb, memoryMiB: 4864 }',
    ),
  strict({
    profile: z
      .string()
      .regex(
        /^[a-zA-Z0-9][a-zA-Z0-9.+-]{0,39}$/,
        'allowed: letters, digits, dots, + and -, up to 40 characters',
      ),
    gpuInstanceId: z.int().min(0).max(14).optional(),
    computeInstanceId: z.int().min(0).max(7).optional(),
    memoryMiB: mib.nullable().optional(),
  }),
]);
const migEntries = z.array(migEntry).max(14);
/** What a list of instances may be, for errors. */
const migWords = 'a list of profiles, for example [3g.20gb, 1g.5gb]';

/** A GPU instance by its id, or the last instance with a profile. */
const migRemoval = z.union([z.int().min(0).max(14), z.string().min(1).max(60)]);

/** What can be set on one GPU; a key left out keeps what the model says. */
const figures = {
  name: z.string().min(1).max(96).optional(),
  architecture: z.string().min(1).max(40).nullable().optional(),
  computeCapability: z
    .string()
    .regex(/^\d{1,2}\.\d$/, 'allowed: "major.minor" in quotes, for example "9.0"')
    .nullable()
    .optional(),
  memoryTotalMiB: mib.nullable().optional(),
  memoryReservedMiB: mib.nullable().optional(),
  memoryUsedMiB: mib.nullable().optional(),
  numaNode: z.int().min(0).max(1023).nullable().optional(),
  pciClass: z
    .string()
    .regex(/^[0-9a-f]{6}$/, 'allowed: six hex digits in quotes, for example "030200"')
    .nullable()
    .optional(),
  isVirtual: z.boolean().nullable().optional(),
  fabric: strict({
    clusterUuid: z
      .string()
      .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'allowed: a UUID in lower case'),
    cliqueId: z.int().min(0).max(4_294_967_295),
  })
    .nullable()
    .optional(),
  minor: z.int().min(0).max(255).nullable().optional(),
  pciBusId: z
    .string()
    .regex(
      /^[0-9a-f]{8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/,
      'allowed: domain:bus:device.function in lower case, for example "00000000:1b:00.0"',
    )
    .nullable()
    .optional(),
  mig: z.union([z.literal('off'), migEntries], { error: `allowed: off, or ${migWords}` }).optional(),
  migPending: z.enum(['on', 'off']).optional(),
  ...signFigures,
} as const;

/** What a GPU is, beside what can change on it. */
const identity = {
  uuid: z
    .string()
    .regex(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'allowed: GPU-, then a UUID in lower case')
    .optional(),
  state: z.enum(gpuStates).optional(),
} as const;

const onGpu = { at: duration, gpu: position } as const;

const event = z.discriminatedUnion(
  'do',
  [
    strict({ ...onGpu, do: z.literal('lose'), reason }),
    strict({ ...onGpu, do: z.literal('unreadable'), reason }),
    strict({ ...onGpu, do: z.literal('restore') }),
    strict({ ...onGpu, do: z.literal('remove') }),
    strict({ ...onGpu, do: z.literal('add') }),
    strict({ ...onGpu, do: z.literal('change'), ...figures }),
    strict({
      ...onGpu,
      do: z.literal('mig'),
      remove: z
        .array(migRemoval, {
          error: 'allowed: a list of GPU instance ids and profiles, for example [7, 2g.10gb]',
        })
        .max(14)
        .optional(),
      add: z
        .array(migEntry, { error: `allowed: ${migWords}` })
        .max(14)
        .optional(),
    }),
    strict({ at: duration, ...incidentEvents.xid }),
    strict({ at: duration, ...incidentEvents.ecc }),
    strict({ at: duration, ...incidentEvents.unavailable }),
    strict({ at: duration, ...incidentEvents['recovery-action'] }),
    strict({ at: duration, do: z.literal('fail-driver'), reason }),
    strict({ at: duration, do: z.literal('remove-driver'), reason }),
    strict({ at: duration, do: z.literal('hang-driver') }),
    strict({ at: duration, do: z.literal('restore-driver') }),
  ],
  {
    error:
      'allowed: lose, unreadable, restore, remove, add, change, mig, xid, ecc, unavailable, recovery-action, fail-driver, remove-driver, hang-driver, restore-driver',
  },
);

/** The keys of a scenario file. `docs/scenarios.md` explains each; a test holds page and schema together. */
export const scenarioSchema = strict({
  name: z.string().min(1).max(100).optional(),
  preset: z.enum(presetNames).optional(),
  driverVersion: z.string().min(1).max(40).nullable().optional(),
  cudaVersion: z.string().min(1).max(40).nullable().optional(),
  gpus: z
    .array(
      strict({
        model: z.enum(gpuModelNames),
        count: z.int().min(1).max(64).optional(),
        ...identity,
        ...figures,
      }),
    )
    .max(64)
    .optional(),
  overrides: z
    .array(
      strict({
        gpu: position,
        model: z.enum(gpuModelNames).optional(),
        ...identity,
        ...figures,
      }),
    )
    .max(256)
    .optional(),
  nvswitchLinks: z.int().min(1).max(36).optional(),
  links: z
    .array(
      strict({
        between: z.tuple([position, position], { error: 'allowed: a pair of GPUs, for example [0, 1]' }),
        nvlinks: z.int().min(0).max(36).optional(),
        nvswitchLinks: z.int().min(0).max(36).optional(),
        pcie: z.enum(pcieDistances).nullable().optional(),
      }),
    )
    .max(4096)
    .optional(),
  timeline: z.array(event).max(10_000).optional(),
});

export type ScenarioInput = z.input<typeof scenarioSchema>;
export type CheckedScenario = z.output<typeof scenarioSchema>;
export type GpuEntry = NonNullable<CheckedScenario['gpus']>[number];
export type GpuOverride = NonNullable<CheckedScenario['overrides']>[number];
export type MigEntry = z.output<typeof migEntry>;
export type MigRemoval = z.output<typeof migRemoval>;
export type GpuFigures = z.output<z.ZodObject<typeof figures>>;
/** One change at a moment; `at` is in milliseconds after the scenario was read. */
export type ScenarioEvent = z.output<typeof event>;
/** One that the driver tells unasked. */
export type IncidentEvent = Extract<ScenarioEvent, { do: keyof typeof incidentEvents }>;
/** One that a GPU is another one after. */
export type GpuEvent = Exclude<
  Extract<ScenarioEvent, { gpu: number }>,
  { do: 'xid' | 'ecc' | 'unavailable' }
>;

function unitMs(text: string): number {
  if (text.endsWith('ms')) return 1;
  if (text.endsWith('s')) return 1000;
  return text.endsWith('m') ? 60_000 : 3_600_000;
}
