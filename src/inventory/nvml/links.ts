import type { GpuLink, PcieDistance } from '../gpu.ts';
import { pciBusIdOf } from './answers.ts';
import type { Handle, Out } from './layouts.ts';
import { constants, topologyLevels } from './constants.ts';
import type { NvmlLibrary } from './library.ts';
import { readNvLinkState } from './nvlink-watch.ts';

/** A GPU that answers, as the link reading needs it. */
export interface LinkedGpu {
  readonly index: number;
  readonly handle: Handle;
  readonly uuid: string;
  readonly pciBusId: string | null;
}

/**
 * How each GPU reaches each other one, by UUID. For 8 GPUs these are some hundred calls, and the answer changes only with
 * the set of GPUs: the caller keeps it. A question that fails counts as "no link"; the reading of the GPU itself tells of
 * a sick one.
 * @param onGpu called before the links of a GPU are read
 */
export function readLinks(
  nvml: NvmlLibrary,
  gpus: readonly LinkedGpu[],
  onGpu: (index: number) => void,
): ReadonlyMap<string, readonly GpuLink[]> {
  const ends = new Map<LinkedGpu, readonly NvLinkEnd[]>();
  const distances = new Map<string, PcieDistance | null>();
  for (const [position, gpu] of gpus.entries()) {
    onGpu(gpu.index);
    ends.set(gpu, readNvLinkEnds(nvml, gpu.handle));
    for (const other of gpus.slice(position + 1)) {
      const distance = readDistance(nvml, gpu.handle, other.handle);
      distances.set(`${gpu.uuid} ${other.uuid}`, distance);
      distances.set(`${other.uuid} ${gpu.uuid}`, distance);
    }
  }
  return new Map(
    gpus.map((gpu) => [
      gpu.uuid,
      gpus
        .filter((other) => other !== gpu)
        .map((other) => ({
          toUuid: other.uuid,
          ...countNvLinks(ends.get(gpu) ?? [], other, ends.get(other) ?? []),
          pcie: distances.get(`${gpu.uuid} ${other.uuid}`) ?? null,
        })),
    ]),
  );
}

/** Where an active NVLink ends. */
interface NvLinkEnd {
  readonly pciBusId: string;
  readonly isSwitch: boolean;
}

/** A switch joins two GPUs when both have links that end at it. */
function countNvLinks(
  own: readonly NvLinkEnd[],
  other: LinkedGpu,
  others: readonly NvLinkEnd[],
): Pick<GpuLink, 'nvlinks' | 'nvswitchLinks'> {
  const switches = new Set(others.filter((end) => end.isSwitch).map((end) => end.pciBusId));
  return {
    nvlinks: own.filter((end) => !end.isSwitch && end.pciBusId === other.pciBusId).length,
    nvswitchLinks: own.filter((end) => end.isSwitch && switches.has(end.pciBusId)).length,
  };
}

/** Where a library lacks the device-type call, links through a switch go uncounted. */
function readNvLinkEnds(nvml: NvmlLibrary, handle: Handle): readonly NvLinkEnd[] {
  const ends: NvLinkEnd[] = [];
  for (let link = 0; link < constants.NVML_NVLINK_MAX_LINKS; link += 1) {
    const state = readNvLinkState(nvml, handle, link);
    // A GPU without NVLink says so at the first link, one with fewer links at the first that it lacks.
    if (state === null) break;
    const end = state === constants.NVML_FEATURE_ENABLED ? readNvLinkEnd(nvml, handle, link) : null;
    if (end !== null) ends.push(end);
  }
  return ends;
}

function readNvLinkEnd(nvml: NvmlLibrary, handle: Handle, link: number): NvLinkEnd | null {
  const pci = {};
  const pciBusId = nvml.askOrNull('deviceGetNvLinkRemotePciInfo', [handle, link, pci], () => pciBusIdOf(pci));
  if (pciBusId === null) return null;
  const type: Out<number> = [null];
  const kind = nvml.askOrNull('deviceGetNvLinkRemoteDeviceType', [handle, link, type], () => type[0]);
  return { pciBusId, isSwitch: kind === constants.NVML_NVLINK_DEVICE_TYPE_SWITCH };
}

function readDistance(nvml: NvmlLibrary, handle: Handle, other: Handle): PcieDistance | null {
  const level: Out<number> = [null];
  const id = nvml.askOrNull('deviceGetTopologyCommonAncestor', [handle, other, level], () => level[0]);
  return Object.values(topologyLevels).find(([known]) => known === id)?.[1] ?? null;
}
