import type { DeviceAttributes, Handle, MemoryInfo } from './bindings.ts';
import type { NvmlLibrary } from './library.ts';

/** How large a MIG device is, and all that the driver said of it. */
export interface MigAttributes {
  readonly said: Partial<DeviceAttributes>;
  readonly memoryMiB: number;
  readonly gpuSlices: number;
  readonly computeSlices: number;
}

/** Null where the driver does not have the call. @throws NvmlError */
export function readAttributes(nvml: NvmlLibrary, mig: Handle): MigAttributes | null {
  const said: Partial<DeviceAttributes> = {};
  return nvml.askIfKnown('deviceGetAttributes', [mig, said], () => ({
    said,
    memoryMiB: Number(said.memorySizeMB ?? 0),
    gpuSlices: said.gpuInstanceSliceCount ?? 0,
    computeSlices: said.computeInstanceSliceCount ?? 0,
  }));
}

/** The memory of a MIG device where the driver has no attributes; null where it does not tell that either. */
export function readMemoryMiB(nvml: NvmlLibrary, mig: Handle): number | null {
  const memory: Partial<MemoryInfo> = {};
  const total = nvml.askOrNull('deviceGetMemoryInfo', [mig, memory], () => memory.total ?? null);
  return total === null ? null : Math.floor(Number(total) / 2 ** 20);
}
