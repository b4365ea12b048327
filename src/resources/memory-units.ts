import type { Gpu } from '../inventory/gpu.ts';
import { namesDevice } from './device-reference.ts';
import { maxDevices } from './list-limits.ts';
import type { ResourceName } from './resource-name.ts';

/** The resource of GPU memory. */
export const memoryResource: ResourceName = 'nvidia.com/gpu-memory';

/** From Kubernetes 1.36 on the kubelet writes every id of a container into the pod's status (KEP-4680). */
const maxUnitsPerGpu = 1200;

/** What decides on the units of a node. */
export interface MemorySettings {
  readonly unitMiB: number;
  readonly reservedPerGpuMiB: number;
  /** Indexes and UUIDs of the GPUs that are offered by memory alone; `null`: every GPU is offered in both ways. */
  readonly devices: readonly string[] | null;
  /** Total memory, in MiB, of GPUs whose driver does not tell it. */
  readonly override: readonly { readonly devices: readonly string[]; readonly total: number }[];
  /** UUIDs of the GPUs that are shared by time. */
  readonly timeSliced: ReadonlySet<string>;
}

/** A GPU that is offered by memory. */
export interface MemoryGpu {
  readonly uuid: string;
  readonly index: number;
  readonly units: number;
  /** What is left below one unit. A container that has all units gets it too. */
  readonly restMiB: number;
  readonly totalMiB: number;
}

/** The memory of a node in units. */
export interface MemoryPlan {
  readonly kind: 'planned';
  readonly unitMiB: number;
  /** In order of GPU index. */
  readonly gpus: readonly MemoryGpu[];
  /** Units of all GPUs together; the ids are `m0` to `m<units − 1>` and tied to none of them. */
  readonly units: number;
  /** GPUs without units, and why; those that `devices` does not name are not among them. */
  readonly leftOut: readonly { readonly uuid: string; readonly index: number; readonly reason: string }[];
  /** UUIDs of the GPUs that are not offered whole, because `devices` names them. */
  readonly memoryOnly: ReadonlySet<string>;
  /** Members of `devices` that are no GPU of this node. */
  readonly unknownDevices: readonly string[];
}

/** A unit that would make more devices than a kubelet can bear. */
export interface MemoryPlanRefused {
  readonly kind: 'refused';
  /** For the cluster admin: the numbers, and a unit that fits. */
  readonly message: string;
  readonly unitThatFitsMiB: number;
  /** As in a plan: these GPUs are not offered whole either. */
  readonly memoryOnly: ReadonlySet<string>;
}

/**
 * Divides the memory of GPUs into units: floor((total − max(reserved by the driver, reservedPerGpu)) / unit) of each. GPUs in MIG mode
 * or shared by time have none.
 * @param gpus those that the node offers
 */
export function planMemory(gpus: readonly Gpu[], settings: MemorySettings): MemoryPlan | MemoryPlanRefused {
  const problem = findProblem(gpus, settings);
  if (problem === null) return divide(gpus, settings);
  let unitThatFitsMiB = 1;
  while (findProblem(gpus, { ...settings, unitMiB: unitThatFitsMiB }) !== null) unitThatFitsMiB *= 2;
  return {
    kind: 'refused',
    message: `memory.unit: ${settings.unitMiB}Mi ${problem}. A unit of ${unitThatFitsMiB}Mi would fit.`,
    unitThatFitsMiB,
    memoryOnly: memoryOnlyOf(gpus, settings),
  };
}

/** The plan of a node that offers no memory. */
export function noMemory(unitMiB: number, memoryOnly: ReadonlySet<string> = new Set()): MemoryPlan {
  return {
    kind: 'planned',
    unitMiB,
    gpus: [],
    units: 0,
    leftOut: [],
    memoryOnly,
    unknownDevices: [],
  };
}

/** The id of a memory unit. */
export function memoryId(number: number): string {
  return `m${number}`;
}

/** The number in the id of a memory unit; `null` for any other text. */
export function memoryIdNumber(id: string): number | null {
  return /^m(?:0|[1-9]\d{0,8})$/.test(id) ? Number(id.slice(1)) : null;
}

function findProblem(gpus: readonly Gpu[], settings: MemorySettings): string | null {
  if (!Number.isSafeInteger(settings.unitMiB) || settings.unitMiB < 1)
    return 'is no amount of memory to count by';
  const plan = divide(gpus, settings);
  const crowded = plan.gpus.find(({ units }) => units > maxUnitsPerGpu);
  if (crowded !== undefined)
    return `makes ${crowded.units} units of GPU ${crowded.index} (${crowded.uuid}), and at most ${maxUnitsPerGpu} are possible`;
  // So many units are far below the bytes that a list may have, as their ids are short.
  if (plan.units <= maxDevices) return null;
  return `makes ${plan.units} units of the ${plan.gpus.length} GPUs of this node, and a list may have ${maxDevices} devices`;
}

function divide(gpus: readonly Gpu[], settings: MemorySettings): MemoryPlan {
  const named = (gpu: Gpu): boolean => settings.devices?.some((device) => isNamed(gpu, device)) ?? true;
  const judged = gpus
    .filter(named)
    .toSorted((a, b) => a.index - b.index)
    .map((gpu) => ({ gpu, verdict: unitsOf(gpu, settings) }));
  const memoryGpus = judged.flatMap(({ verdict }) => (typeof verdict === 'string' ? [] : [verdict]));
  return {
    kind: 'planned',
    unitMiB: settings.unitMiB,
    gpus: memoryGpus,
    units: memoryGpus.reduce((sum, { units }) => sum + units, 0),
    leftOut: judged.flatMap(({ gpu: { uuid, index }, verdict }) =>
      typeof verdict === 'string' ? [{ uuid, index, reason: verdict }] : [],
    ),
    memoryOnly: memoryOnlyOf(gpus, settings),
    unknownDevices: (settings.devices ?? []).filter((device) => !gpus.some((gpu) => isNamed(gpu, device))),
  };
}

function memoryOnlyOf(gpus: readonly Gpu[], { devices }: MemorySettings): ReadonlySet<string> {
  const isOnly = (gpu: Gpu): boolean => devices?.some((device) => isNamed(gpu, device)) ?? false;
  return new Set(gpus.filter(isOnly).map(({ uuid }) => uuid));
}

/** The units of a GPU, or why it has none. */
function unitsOf(gpu: Gpu, settings: MemorySettings): MemoryGpu | string {
  if (gpu.mig?.current === true) return 'in MIG mode';
  if (settings.timeSliced.has(gpu.uuid)) return 'shared by time';
  const totalMiB = gpu.memoryTotalMiB ?? overriddenTotal(gpu, settings);
  if (totalMiB === null) return 'its driver does not tell its memory; memory.override can';
  const reservedMiB = Math.max(gpu.memoryReservedMiB ?? 0, settings.reservedPerGpuMiB);
  const { unitMiB } = settings;
  const units = Math.floor((totalMiB - reservedMiB) / unitMiB);
  if (units < 1)
    return `of its ${totalMiB} MiB ${reservedMiB} are reserved, and the rest is less than one unit of ${unitMiB} MiB`;
  const restMiB = totalMiB - reservedMiB - units * unitMiB;
  return { uuid: gpu.uuid, index: gpu.index, units, restMiB, totalMiB };
}

function overriddenTotal(gpu: Gpu, { override }: MemorySettings): number | null {
  return override.find(({ devices }) => devices.some((device) => isNamed(gpu, device)))?.total ?? null;
}

function isNamed(gpu: Gpu, reference: string): boolean {
  return namesDevice(reference, { gpu, mig: null, instanceIds: null });
}
