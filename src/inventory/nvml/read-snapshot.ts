import { toError } from '../../lib/errors.ts';
import { DriverError } from '../driver.ts';
import type { Gpu, GpuLink, Snapshot, UnreadableGpu } from '../gpu.ts';
import type { Out } from './layouts.ts';
import type { NvmlLibrary } from './library.ts';
import { readLinks, type LinkedGpu } from './links.ts';
import type { HostStep } from './protocol.ts';
import { readGpu } from './read-gpu.ts';

/** What is true from one initialisation of the library to the next. */
export interface Opened {
  readonly driverVersion: string | null;
  readonly cudaVersion: string | null;
  /** Indexes of the GPUs that have been read before. */
  readonly touched: Set<number>;
  /** The links among the GPUs named by `of`. */
  links: { readonly of: string; readonly byUuid: ReadonlyMap<string, readonly GpuLink[]> } | null;
}

/**
 * Reads every GPU through a new handle; links only when the set of answering GPUs is another one.
 * @param leaveOut GPUs that must not be touched, by index, with the reason
 * @throws DriverError when the GPUs cannot even be counted
 */
export function readSnapshot(
  nvml: NvmlLibrary,
  opened: Opened,
  leaveOut: Readonly<Record<number, string>>,
  onStep: (step: HostStep) => void,
): Snapshot {
  const gpus: Gpu[] = [];
  const unreadable: UnreadableGpu[] = [];
  const linked: LinkedGpu[] = [];
  onStep({ at: 'count' });
  const count = readCount(nvml);
  for (let index = 0; index < count; index += 1) {
    const reason = leaveOut[index];
    if (reason !== undefined) {
      unreadable.push({ index, pciBusId: null, error: reason });
      continue;
    }
    onStep({ at: 'gpu', gpu: index, first: !opened.touched.has(index) });
    const reading = readGpu(nvml, index);
    opened.touched.add(index);
    if (reading.kind === 'unreadable') {
      unreadable.push({ index, pciBusId: null, error: reading.error });
      continue;
    }
    const { gpu, handle } = reading;
    gpus.push(gpu);
    if (gpu.error === null) linked.push({ index, handle, uuid: gpu.uuid, pciBusId: gpu.pciBusId });
  }
  const links = linksAmong(nvml, opened, linked, onStep);
  return {
    driver: 'nvml',
    driverVersion: opened.driverVersion,
    cudaVersion: opened.cudaVersion,
    gpus: gpus.map((gpu) => ({ ...gpu, links: links.get(gpu.uuid) ?? [] })),
    unreadable,
  };
}

function linksAmong(
  nvml: NvmlLibrary,
  opened: Opened,
  gpus: readonly LinkedGpu[],
  onStep: (step: HostStep) => void,
): ReadonlyMap<string, readonly GpuLink[]> {
  const of = gpus.map((gpu) => gpu.uuid).join(' ');
  if (opened.links?.of !== of) {
    opened.links = { of, byUuid: readLinks(nvml, gpus, (gpu) => onStep({ at: 'links', gpu })) };
  }
  return opened.links.byUuid;
}

function readCount(nvml: NvmlLibrary): number {
  const count: Out<number> = [null];
  try {
    nvml.ask('deviceGetCount', count);
  } catch (thrown) {
    throw new DriverError(
      'driver-failed',
      `The NVIDIA driver does not say how many GPUs there are: ${toError(thrown).message}. ` +
        'Does nvidia-smi work on this node?',
      { cause: thrown },
    );
  }
  return count[0] ?? 0;
}
