import { createHash } from 'node:crypto';
import type { GpuSigns } from '../gpu-signs.ts';
import type { Gpu } from '../gpu.ts';
import { gpuModels, type GpuModel, type GpuModelName } from './models.ts';
import { changeInstances, describeMisfit, shapeInstances, type SimulatedMigInstance } from './mig-shape.ts';
import type { GpuFigures, GpuState, MigEntry, ScenarioEvent } from './scenario-schema.ts';

/** A GPU of a scenario at a moment. */
export interface SimulatedGpu
  extends
    Omit<Gpu, 'index' | 'mig' | 'migInstances' | 'links' | 'error'>,
    Omit<GpuSigns, 'uuid' | 'lost' | 'isUnsure'> {
  readonly model: GpuModelName;
  /** Its MIG instances in MIG mode, `off`, or `unsupported` where the product cannot do MIG. */
  readonly mig: readonly SimulatedMigInstance[] | 'off' | 'unsupported';
  /** MIG mode after the next reset; null: as it is now. */
  readonly migPending: 'on' | 'off' | null;
  readonly state: GpuState;
  /** Why it is lost or unreadable, in words. */
  readonly reason: string | null;
}

/**
 * A GPU as its product leaves the factory. The UUID is derived from the scenario's name and the GPU's position in it, so
 * that it is the same in every run.
 */
export function createGpu(scenarioName: string, position: number, model: GpuModelName): SimulatedGpu {
  const product: GpuModel = gpuModels[model];
  const { migProfiles, ...said } = product;
  return {
    ...said,
    model,
    uuid: deriveUuid('GPU', `${scenarioName}/${position}`),
    memoryUsedMiB: 0,
    numaNode: 0,
    isVirtual: false,
    fabric: null,
    minor: position,
    pciBusId: `00000000:${(0x10 + 2 * position).toString(16).padStart(2, '0')}:00.0`,
    mig: Object.keys(migProfiles).length > 0 ? 'off' : 'unsupported',
    migPending: null,
    state: 'present',
    reason: null,
    recoveryAction: 'none',
    rowRemap: { failed: false, pending: false },
    sramThresholdExceeded: false,
    slowdowns: [],
    nvlinksDown: null,
    unmonitored: null,
  };
}

/**
 * The GPU with the given figures put over its own; a figure left out stays. MIG instances that stay keep their ids, and so
 * their UUIDs.
 */
export function applyFigures(gpu: SimulatedGpu, figures: GpuFigures): SimulatedGpu {
  const { mig, migPending, ...plain } = figures;
  const given = Object.entries(plain).filter(([key, value]) => value !== undefined && figureKeys.has(key));
  return {
    ...gpu,
    ...(Object.fromEntries(given) as Partial<SimulatedGpu>),
    ...(mig === undefined ? {} : { mig: shapeMig(gpu, mig), migPending: null }),
    ...(migPending === undefined ? {} : { migPending }),
  };
}

/** The GPU after its instances were changed, and what does not fit, in words, or null. */
export function applyMigChange(
  gpu: SimulatedGpu,
  event: Extract<ScenarioEvent, { do: 'mig' }>,
): { readonly gpu: SimulatedGpu; readonly problem: string | null } {
  const product: GpuModel = gpuModels[gpu.model];
  if (gpu.mig === 'unsupported') return { gpu, problem: `the ${product.name} cannot do MIG` };
  if (gpu.mig === 'off')
    return {
      gpu,
      problem: 'the GPU is not in MIG mode at that time; "change" with "mig: []" switches it on',
    };
  const change = changeInstances(product, gpu.mig, event.remove ?? [], event.add ?? []);
  if (change.kind === 'wrong') return { gpu, problem: change.problem };
  return { gpu: { ...gpu, mig: change.instances }, problem: describeMisfit(product, change.instances) };
}

/** What is wrong with the MIG instances that the GPU was given, or null. */
export function describeMigMisfit({ model, mig }: SimulatedGpu): string | null {
  const product: GpuModel = gpuModels[model];
  if (Object.keys(product.migProfiles).length === 0)
    return `the ${product.name} cannot do MIG; leave the key out`;
  return typeof mig === 'string' ? null : describeMisfit(product, mig);
}

function shapeMig(gpu: SimulatedGpu, mig: readonly MigEntry[] | 'off'): SimulatedGpu['mig'] {
  const present = typeof gpu.mig === 'string' ? [] : gpu.mig;
  return mig === 'off' ? 'off' : shapeInstances(gpuModels[gpu.model], present, mig);
}

/** A UUID in the driver's form (`GPU-…`, `MIG-…`) that depends on the seed alone. */
export function deriveUuid(prefix: 'GPU' | 'MIG', seed: string): string {
  const hex = createHash('sha256').update(`${prefix}/${seed}`).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
  return `${prefix}-${parts.join('-')}`;
}

const figureKeys: ReadonlySet<string> = new Set(
  Object.keys({
    name: 0,
    architecture: 0,
    computeCapability: 0,
    memoryTotalMiB: 0,
    memoryReservedMiB: 0,
    memoryUsedMiB: 0,
    numaNode: 0,
    pciClass: 0,
    isVirtual: 0,
    fabric: 0,
    minor: 0,
    pciBusId: 0,
    recoveryAction: 0,
    rowRemap: 0,
    sramThresholdExceeded: 0,
    slowdowns: 0,
    nvlinksDown: 0,
    unmonitored: 0,
  } satisfies Record<Exclude<keyof GpuFigures, 'mig' | 'migPending'>, 0>),
);
