import { toError } from '../../lib/errors.ts';
import type { Gpu } from '../gpu.ts';
import { pciBusIdOf, textOf } from './answers.ts';
import { sizeOf } from './bind.ts';
import type { Handle, MemoryInfo, MemoryInfoV2, Out } from './layouts.ts';
import { architectures, constants } from './constants.ts';
import { readFabric } from './fabric.ts';
import type { NvmlLibrary } from './library.ts';
import { readMigInstances, readMigMode } from './read-mig.ts';

/** A GPU that told its UUID, or why it did not. */
export type GpuReading =
  | { readonly kind: 'gpu'; readonly handle: Handle; readonly gpu: Gpu }
  | { readonly kind: 'unreadable'; readonly index: number; readonly error: string };

/**
 * Reads one GPU through a fresh handle (one from before a GPU reset is stale). Never throws for what the GPU does: an
 * answer like "not supported" gives null, any other error marks the GPU and ends its reading, so that a GPU which has
 * fallen off the bus is not asked twelve times. Links are filled in by others.
 */
export function readGpu(nvml: NvmlLibrary, index: number): GpuReading {
  let handle: Handle;
  let uuid: string;
  try {
    handle = readHandle(nvml, index);
    uuid = readText((text) => nvml.ask('deviceGetUuid', handle, text, text.length), uuidBytes);
  } catch (thrown) {
    return { kind: 'unreadable', index, error: toError(thrown).message };
  }
  const gpu: Writable<Gpu> = { ...blank, uuid, index };
  try {
    readProperties(nvml, handle, gpu);
  } catch (thrown) {
    gpu.error = toError(thrown).message;
  }
  return { kind: 'gpu', handle, gpu };
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const uuidBytes = constants.NVML_DEVICE_UUID_V2_BUFFER_SIZE;
const nameBytes = constants.NVML_DEVICE_NAME_V2_BUFFER_SIZE;

/** Nothing known yet. */
const blank: Gpu = {
  uuid: '',
  index: 0,
  minor: null,
  pciBusId: null,
  name: '',
  architecture: null,
  computeCapability: null,
  memoryTotalMiB: null,
  memoryReservedMiB: null,
  memoryUsedMiB: null,
  numaNode: null,
  pciClass: null,
  isVirtual: null,
  fabric: null,
  mig: null,
  migInstances: [],
  links: [],
  error: null,
};

/** A fresh handle of the GPU. @throws Error */
export function readHandle(nvml: NvmlLibrary, index: number): Handle {
  const handle: Out<Handle> = [null];
  nvml.ask('deviceGetHandleByIndex', index, handle);
  // A null handle would be dereferenced by the library: better no GPU than a crash.
  if (handle[0] === null || handle[0] === 0n) throw new Error('the driver library gave an empty handle');
  return handle[0];
}

function readProperties(nvml: NvmlLibrary, handle: Handle, gpu: Writable<Gpu>): void {
  // First of all: a GPU that fails early keeps its place, which is told by the address, and its kind.
  gpu.pciBusId = readPciBusId(nvml, handle);
  gpu.mig = readMigMode(nvml, handle);
  gpu.name = readText((text) => nvml.ask('deviceGetName', handle, text, text.length), nameBytes);
  gpu.minor = readNumber((out) => nvml.askIfKnown('deviceGetMinorNumber', [handle, out], () => out[0]));
  gpu.computeCapability = readComputeCapability(nvml, handle);
  gpu.architecture = readArchitecture(nvml, handle);
  readMemory(nvml, handle, gpu);
  gpu.numaNode = readNumber((out) => nvml.askIfKnown('deviceGetNumaNodeId', [handle, out], () => out[0]));
  gpu.isVirtual = readIsVirtual(nvml, handle);
  gpu.fabric = readFabric(nvml, handle);
  if (gpu.mig?.current !== true) return;
  const { instances, error } = readMigInstances(nvml, handle, gpu.memoryTotalMiB);
  gpu.migInstances = instances;
  gpu.error = error;
}

function readText(ask: (text: Buffer) => void, bytes: number): string {
  const text = Buffer.alloc(bytes);
  ask(text);
  return textOf(text);
}

function readNumber(ask: (out: Out<number>) => number | null): number | null {
  return ask([null]);
}

function readPciBusId(nvml: NvmlLibrary, handle: Handle): string | null {
  const pci = {};
  return nvml.askIfKnown('deviceGetPciInfo', [handle, pci], () => pciBusIdOf(pci));
}

function readIsVirtual(nvml: NvmlLibrary, handle: Handle): boolean | null {
  const mode: Out<number> = [null];
  return nvml.askOrNull(
    'deviceGetVirtualizationMode',
    [handle, mode],
    () => mode[0] === constants.NVML_GPU_VIRTUALIZATION_MODE_VGPU,
  );
}

function readComputeCapability(nvml: NvmlLibrary, handle: Handle): string | null {
  const major: Out<number> = [null];
  const minor: Out<number> = [null];
  return nvml.askIfKnown(
    'deviceGetCudaComputeCapability',
    [handle, major, minor],
    () => `${major[0]}.${minor[0]}`,
  );
}

function readArchitecture(nvml: NvmlLibrary, handle: Handle): string | null {
  const id = readNumber((out) => nvml.askIfKnown('deviceGetArchitecture', [handle, out], () => out[0]));
  return Object.values(architectures).find(([known]) => known === id)?.[1] ?? null;
}

/** Version 1 of the call counts the reserved memory as used and cannot tell the two apart. */
function readMemory(nvml: NvmlLibrary, handle: Handle, gpu: Writable<Gpu>): void {
  const size = sizeOf('nvmlMemory_v2_t');
  const v2: MemoryInfoV2 = { version: size | (2 << 24), total: 0, reserved: 0, free: 0, used: 0 };
  let memory: Partial<MemoryInfoV2> | null = nvml.askIfKnown('deviceGetMemoryInfoV2', [handle, v2], () => v2);
  if (memory === null) {
    const v1: Partial<MemoryInfo> = {};
    memory = nvml.askIfKnown('deviceGetMemoryInfo', [handle, v1], () => v1);
  }
  gpu.memoryTotalMiB = toMiB(memory?.total, Math.floor);
  gpu.memoryReservedMiB = toMiB(memory?.reserved, Math.ceil);
  gpu.memoryUsedMiB = toMiB(memory?.used, Math.ceil);
}

/** Rounded so that nothing is promised which is not there: what exists down, what is taken up. */
function toMiB(bytes: number | bigint | undefined, round: (value: number) => number): number | null {
  return bytes === undefined ? null : round(Number(bytes) / 2 ** 20);
}
