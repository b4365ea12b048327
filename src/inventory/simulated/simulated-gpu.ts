import { createHash } from 'node:crypto';
import type { Gpu } from '../gpu.ts';
import { gpuModels, type GpuModel, type GpuModelName } from './models.ts';
import type { GpuFigures, GpuState } from './scenario-schema.ts';

/** A GPU of a scenario at a moment. */
export interface SimulatedGpu extends Omit<Gpu, 'index' | 'mig' | 'migInstances' | 'links' | 'error'> {
  readonly model: GpuModelName;
  /** MIG profiles of its instances, `off`, or `unsupported` where the product cannot do MIG. */
  readonly mig: readonly string[] | 'off' | 'unsupported';
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
    minor: position,
    pciBusId: `00000000:${(0x10 + 2 * position).toString(16).padStart(2, '0')}:00.0`,
    mig: Object.keys(migProfiles).length > 0 ? 'off' : 'unsupported',
    state: 'present',
    reason: null,
  };
}

/** The GPU with the given figures put over its own; a figure left out stays. */
export function applyFigures(gpu: SimulatedGpu, figures: GpuFigures): SimulatedGpu {
  const given = Object.entries(figures).filter(([key, value]) => value !== undefined && figureKeys.has(key));
  return { ...gpu, ...(Object.fromEntries(given) as Partial<SimulatedGpu>) };
}

/** What is wrong with MIG instances of these profiles on one GPU of the model, or null. */
export function describeMigMisfit(model: GpuModelName, profiles: readonly string[] | 'off'): string | null {
  const product: GpuModel = gpuModels[model];
  const offered = Object.keys(product.migProfiles);
  if (offered.length === 0) return `the ${product.name} cannot do MIG; leave the key out`;
  if (profiles === 'off') return null;
  const unknown = profiles.find((profile) => !offered.includes(profile));
  if (unknown !== undefined)
    return `${unknown} is no profile of the ${product.name}; allowed: ${offered.join(', ')}`;
  const compute = profiles.reduce(
    (sum, profile) => sum + (product.migProfiles[profile]?.computeSlices ?? 0),
    0,
  );
  const memory = profiles.reduce(
    (sum, profile) => sum + (product.migProfiles[profile]?.memorySlices ?? 0),
    0,
  );
  if (compute <= 7 && memory <= 8) return null;
  return `needs ${compute} compute and ${memory} memory slices; a GPU has 7 and 8`;
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
    minor: 0,
    pciBusId: 0,
    mig: 0,
  } satisfies Record<keyof GpuFigures, 0>),
);
