import type { MigEngines } from '../gpu.ts';
import type { DeviceAttributes, Handle, MemoryInfo } from './layouts.ts';
import type { NvmlLibrary } from './library.ts';

/** How large a MIG device is, and all that the driver said of it. */
export interface MigAttributes {
  readonly said: Partial<DeviceAttributes>;
  readonly memoryMiB: number;
  readonly gpuSlices: number;
  readonly computeSlices: number;
  readonly engines: MigEngines;
}

/** Null where the driver does not have the call. @throws NvmlError */
export function readAttributes(nvml: NvmlLibrary, mig: Handle): MigAttributes | null {
  const said: Partial<DeviceAttributes> = {};
  return nvml.askIfKnown('deviceGetAttributes', [mig, said], () => ({
    said,
    memoryMiB: Number(said.memorySizeMB ?? 0),
    gpuSlices: said.gpuInstanceSliceCount ?? 0,
    computeSlices: said.computeInstanceSliceCount ?? 0,
    engines: {
      multiprocessors: said.multiprocessorCount ?? 0,
      copy: said.sharedCopyEngineCount ?? 0,
      decoder: said.sharedDecoderCount ?? 0,
      encoder: said.sharedEncoderCount ?? 0,
      jpeg: said.sharedJpegCount ?? 0,
      ofa: said.sharedOfaCount ?? 0,
    },
  }));
}

/** The memory of a MIG device where the driver has no attributes; null where it does not tell that either. */
export function readMemoryMiB(nvml: NvmlLibrary, mig: Handle): number | null {
  const memory: Partial<MemoryInfo> = {};
  const total = nvml.askOrNull('deviceGetMemoryInfo', [mig, memory], () => memory.total ?? null);
  return total === null ? null : Math.floor(Number(total) / 2 ** 20);
}
