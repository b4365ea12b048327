import type { GpuSigns } from '../gpu-signs.ts';
import type { FabricPlace, MigEngines } from '../gpu.ts';
import { readCount, readField, readGpuUuid, readMiB, readPciBusId, readText } from './fields.ts';
import { garbage } from './garbage.ts';
import { nodeAt, parseOutline, valueAt, valuesBelow, type OutlineNode } from './outline.ts';
import { readSigns } from './signs.ts';

/** What `nvidia-smi -q` says. */
export interface QueryReport {
  readonly driverVersion: string | null;
  readonly cudaVersion: string | null;
  /** The driver's own count; null where it is not printed. */
  readonly attached: number | null;
  /** In the driver's order, without the GPUs that it could not open. */
  readonly gpus: readonly QueriedGpu[];
}

/** One `GPU <bus id>` block. */
export interface QueriedGpu {
  /** null when the GPU does not tell its UUID; `fault` says why. */
  readonly uuid: string | null;
  readonly pciBusId: string | null;
  readonly minor: number | null;
  readonly name: string | null;
  readonly architecture: string | null;
  readonly memoryTotalMiB: number | null;
  readonly memoryReservedMiB: number | null;
  readonly memoryUsedMiB: number | null;
  /** What is told of the virtualization: `None`, `Pass-Through`, `VGPU`, …; null where nothing is. */
  readonly virtualization: string | null;
  readonly fabric: FabricPlace | null;
  readonly mig: { readonly current: boolean; readonly pending: boolean } | null;
  readonly migDevices: readonly QueriedMigDevice[];
  /** How it is; null where it has no name. */
  readonly signs: GpuSigns | null;
  /** Words of a fault that makes the whole GPU unusable, or null. */
  readonly fault: string | null;
}

/** A `MIG Device` block; null for what it does not tell. */
export interface QueriedMigDevice {
  readonly index: number | null;
  readonly gpuInstanceId: number | null;
  readonly computeInstanceId: number | null;
  readonly memoryMiB: number | null;
  readonly engines: MigEngines | null;
}

/** The driver's own count of GPUs in what `nvidia-smi -q` printed, be the rest as it may; null where there is none. */
export function readAttachedCount(text: string): number | null {
  return readCount(valueAt(parseOutline(text), 'Attached GPUs'));
}

/**
 * Reads what `nvidia-smi -q` prints.
 * @throws DriverError for text without a GPU block or a count of 0, and for text that breaks off
 */
export function parseQuery(text: string): QueryReport {
  const outline = parseOutline(text);
  const attached = readCount(valueAt(outline, 'Attached GPUs'));
  const blocks = outline.filter(({ key, value }) => value === null && pciBusIdOf(key) !== null);
  if (blocks.length === 0 && attached !== 0) throw garbage('nvidia-smi -q', text, 'no GPU');
  const broken = blocks.find(breaksOff);
  if (broken !== undefined) throw garbage('nvidia-smi -q', text, `only a part of ${broken.key}`);
  return {
    driverVersion: readText(valueAt(outline, 'Driver Version')),
    cudaVersion: readText(valueAt(outline, 'CUDA Version')),
    attached,
    gpus: blocks.map(readBlock),
  };
}

function pciBusIdOf(heading: string): string | null {
  return heading.startsWith('GPU ') ? readPciBusId(heading.slice(4)) : null;
}

/** `Processes` stands behind everything that is read here, in every version. */
function breaksOff(block: OutlineNode): boolean {
  return nodeAt(block.children, 'Processes') === undefined;
}

function readBlock(block: OutlineNode): QueriedGpu {
  const { children } = block;
  const uuid = readGpuUuid(valueAt(children, 'GPU UUID'));
  const fault = findFault(block);
  return {
    uuid,
    pciBusId: pciBusIdOf(block.key),
    minor: readCount(valueAt(children, 'Minor Number')),
    name: readText(valueAt(children, 'Product Name')),
    architecture: readText(valueAt(children, 'Product Architecture'))?.toLowerCase() ?? null,
    memoryTotalMiB: readMiB(valueAt(children, 'FB Memory Usage', 'Total')),
    memoryReservedMiB: readMiB(valueAt(children, 'FB Memory Usage', 'Reserved')),
    memoryUsedMiB: readMiB(valueAt(children, 'FB Memory Usage', 'Used')),
    virtualization: readText(valueAt(children, 'GPU Virtualization Mode', 'Virtualization Mode')),
    fabric: readFabric(children),
    mig: readMigMode(children),
    migDevices: children.filter(({ key }) => key === 'MIG Device').map(readMigDevice),
    signs: uuid === null ? null : readSigns(uuid, children, fault),
    fault: fault ?? (uuid === null ? 'the GPU does not tell its UUID' : null),
  };
}

function readMigMode(block: readonly OutlineNode[]): QueriedGpu['mig'] {
  const current = readText(valueAt(block, 'MIG Mode', 'Current'));
  if (current !== 'Enabled' && current !== 'Disabled') return null;
  const pending = readText(valueAt(block, 'MIG Mode', 'Pending')) ?? current;
  return { current: current === 'Enabled', pending: pending === 'Enabled' };
}

function readMigDevice({ children }: OutlineNode): QueriedMigDevice {
  return {
    index: readCount(valueAt(children, 'Index')),
    gpuInstanceId: readCount(valueAt(children, 'GPU Instance ID')),
    computeInstanceId: readCount(valueAt(children, 'Compute Instance ID')),
    memoryMiB: readMiB(valueAt(children, 'Shared FB Memory Usage', 'Total')),
    engines: readEngines(children),
  };
}

/** All of them or none: a count that is not told is not zero. */
function readEngines(block: readonly OutlineNode[]): MigEngines | null {
  const count = (name: string): number | null =>
    readCount(valueAt(block, 'Device Attributes', 'Shared', `${name} count`));
  const engines = {
    multiprocessors: count('Multiprocessor'),
    copy: count('Copy Engine'),
    decoder: count('Decoder'),
    encoder: count('Encoder'),
    jpeg: count('JPG'),
    ofa: count('OFA'),
  };
  return Object.values(engines).includes(null) ? null : (engines as MigEngines);
}

/** A cluster of zeros is no fabric that other machines could be in. */
function readFabric(block: readonly OutlineNode[]): FabricPlace | null {
  const field = (name: string): string | null => readText(valueAt(block, 'Fabric', name));
  const clusterUuid = field('ClusterUUID')?.toLowerCase() ?? '';
  const cliqueId = readCount(valueAt(block, 'Fabric', 'CliqueId'));
  if (field('State') !== 'Completed' || field('Status') !== 'Success' || cliqueId === null) return null;
  return /^[0-9a-f-]{36}$/.test(clusterUuid) && /[1-9a-f]/.test(clusterUuid)
    ? { clusterUuid, cliqueId }
    : null;
}

/**
 * `GPU is lost` and `GPU requires reset` anywhere condemn the GPU. An unknown error does so only where every working GPU
 * answers: a fan that cannot be read is no reason.
 */
function findFault(block: OutlineNode): string | null {
  for (const value of valuesBelow(block)) {
    const field = readField(value);
    if (field.kind === 'fault') return field.text;
  }
  const vital = [valueAt(block.children, 'GPU UUID'), valueAt(block.children, 'FB Memory Usage', 'Total')];
  return vital.map(readField).some(({ kind }) => kind === 'unknown-error') ? 'Unknown Error' : null;
}
