import type { Gpu, MigInstance, Snapshot } from '../inventory/gpu.ts';
import { excludes, type Referable } from './device-reference.ts';
import type { PlannedGpu, PlannedInstance } from './planned-device.ts';
import type { Degradation, Remarks } from './remark.ts';
import type { ResourceSettings } from './resource-settings.ts';

/** A whole GPU or a MIG instance that can be offered. */
export interface Hardware extends Referable {
  /** What the driver says against it; a GPU's fault is that of all its instances. */
  readonly error: string | null;
  readonly numaNode: number | null;
}

/**
 * What the node has to offer, in order of index: GPUs in MIG mode by their instances unless the strategy is `none`, all others
 * whole; without what is excluded.
 */
export function listHardware(
  snapshot: Snapshot,
  { migStrategy, exclude }: Pick<ResourceSettings, 'migStrategy' | 'exclude'>,
): { readonly hardware: readonly Hardware[]; readonly remarks: Remarks } {
  const unused = new Set(exclude);
  const isOffered = (device: Referable): boolean => {
    const matching = exclude.filter((reference) => excludes(reference, device));
    for (const reference of matching) unused.delete(reference);
    return matching.length === 0;
  };
  const degradations: Degradation[] = [];
  const hardware = snapshot.gpus
    .toSorted((one, other) => one.index - other.index)
    .flatMap((gpu): Hardware[] => {
      const whole = { ...describeGpu(gpu), mig: null, instanceIds: null };
      if (!isOffered(whole)) return [];
      if (!isInMigMode(gpu)) return [whole];
      if (migStrategy === 'none') {
        degradations.push({ kind: 'mig-hidden', message: hiddenText(gpu) });
        return [whole];
      }
      if (gpu.migInstances.length === 0)
        degradations.push({ kind: 'mig-without-instances', message: emptyText(gpu) });
      return gpu.migInstances
        .map((instance, position) => toInstance(gpu, instance, position))
        .filter(isOffered);
    });
  const notices = [...unused]
    .filter((reference) => !displayProducts.includes(reference))
    .map((reference) => `exclude: ${reference} fits nothing on this node`);
  return { hardware, remarks: { degradations, notices } };
}

/** Products that drive a display and are no compute device, by NVIDIA's names for them: excluded unless the config says otherwise. */
const displayProducts: readonly string[] = ['DGX Display', 'NVIDIA DGX Display'];

/** True for a GPU that is cut into instances, or about to be. */
export function isInMigMode({ mig, migInstances }: Gpu): boolean {
  return mig?.current === true || migInstances.length > 0;
}

function describeGpu(gpu: Gpu): Pick<Hardware, 'gpu' | 'error' | 'numaNode'> {
  const { uuid, index, minor, memoryTotalMiB, pciBusId, name, error, numaNode } = gpu;
  return { gpu: { uuid, index, minor, memoryTotalMiB, pciBusId, name }, error, numaNode };
}

function toInstance(gpu: Gpu, instance: MigInstance, position: number): Hardware {
  const { uuid, profile, memoryMiB, capabilityNodes, gpuInstanceId, computeInstanceId } = instance;
  return {
    ...describeGpu(gpu),
    mig: { uuid, position, profile, memoryMiB, capabilityNodes },
    instanceIds: `${gpuInstanceId}/${computeInstanceId}`,
  };
}

/** The part of a GPU's description that answers need. */
export function plannedGpu({ uuid, index, minor, memoryTotalMiB }: PlannedGpu): PlannedGpu {
  return { uuid, index, minor, memoryTotalMiB };
}

/** A GPU or an instance as a person is told of it. */
export function nameHardware({
  gpu,
  mig,
}: {
  readonly gpu: Pick<PlannedGpu, 'index' | 'uuid'>;
  readonly mig: Pick<PlannedInstance, 'position' | 'uuid' | 'profile'> | null;
}): string {
  if (mig === null) return `GPU ${gpu.index} (${gpu.uuid})`;
  return `MIG instance ${gpu.index}:${mig.position} (${mig.uuid}, ${mig.profile})`;
}

function hiddenText(gpu: Gpu): string {
  return (
    `${nameHardware({ gpu, mig: null })} is in MIG mode and offered whole, because flags.migStrategy is none: ` +
    'a program can use one of its instances at most, and two pods cannot share them. Set single or mixed, or switch MIG off.'
  );
}

function emptyText(gpu: Gpu): string {
  return (
    `${nameHardware({ gpu, mig: null })} is in MIG mode and has no instance: it offers nothing until instances are made ` +
    '(nvidia-smi mig -cgi … -C) or MIG is switched off.'
  );
}
