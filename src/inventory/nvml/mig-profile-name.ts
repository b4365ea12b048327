import { nameProfile, withComputeSlices } from '../mig-profile.ts';
import { textOf } from './answers.ts';
import { sizeOf } from './bind.ts';
import type { GpuInstanceProfileInfo, Handle } from './layouts.ts';
import { constants } from './constants.ts';
import type { NvmlLibrary } from './library.ts';
import type { MigAttributes } from './mig-attributes.ts';

/** What there is to tell the profile of a MIG device from. */
export interface ProfileSources {
  readonly gpu: Handle;
  readonly mig: Handle;
  readonly attributes: MigAttributes | null;
  readonly gpuMemoryMiB: number | null;
}

/**
 * The profile's name as the driver writes it, from the best source that there is: the name of the MIG device
 * (`NVIDIA H100 80GB HBM3 MIG 1c.2g.20gb`), which needs no privilege and knows every suffix; else the driver's own table of
 * GPU instance profiles, where exactly one has the device's slices, memory and engines; else NVIDIA's rule for names.
 * @throws Error where none of them tells
 */
export function readProfile(nvml: NvmlLibrary, sources: ProfileSources): string {
  const { gpu, mig, attributes, gpuMemoryMiB } = sources;
  const text = Buffer.alloc(constants.NVML_DEVICE_NAME_V2_BUFFER_SIZE);
  const name = nvml.askIfKnown('deviceGetName', [mig, text, text.length], () => textOf(text));
  const [, named] = /\bMIG (\S{1,60})$/.exec(name ?? '') ?? [];
  if (named !== undefined) return named;
  if (attributes === null) throw new Error('the driver does not tell its profile');
  const fitting = listProfiles(nvml, gpu).filter((profile) => fits(profile, attributes));
  const [first] = fitting;
  if (first !== undefined && fitting.length === 1)
    return withComputeSlices(first.name.replace(/^MIG /, ''), attributes);
  if (gpuMemoryMiB === null) throw new Error('the driver does not tell its profile');
  return nameProfile(attributes, attributes.memoryMiB, gpuMemoryMiB);
}

/** The profiles that the GPU offers; empty where the driver does not tell them. */
function listProfiles(nvml: NvmlLibrary, gpu: Handle): GpuInstanceProfileInfo[] {
  const version = sizeOf('nvmlGpuInstanceProfileInfo_v2_t') | (2 << 24);
  return Array.from({ length: constants.NVML_GPU_INSTANCE_PROFILE_COUNT }, (_none, index) => {
    const info: GpuInstanceProfileInfo = { ...blank, version };
    return nvml.askOrNull('deviceGetGpuInstanceProfileInfo', [gpu, index, info], () => info);
  }).filter((info) => info !== null && info.name !== '') as GpuInstanceProfileInfo[];
}

function fits(profile: GpuInstanceProfileInfo, { said }: MigAttributes): boolean {
  return (
    profile.sliceCount === said.gpuInstanceSliceCount &&
    Number(profile.memorySizeMB) === Number(said.memorySizeMB) &&
    profile.copyEngineCount === said.sharedCopyEngineCount &&
    profile.decoderCount === said.sharedDecoderCount &&
    profile.encoderCount === said.sharedEncoderCount &&
    profile.jpegCount === said.sharedJpegCount &&
    profile.ofaCount === said.sharedOfaCount
  );
}

const blank: GpuInstanceProfileInfo = {
  version: 0,
  id: 0,
  isP2pSupported: 0,
  sliceCount: 0,
  instanceCount: 0,
  multiprocessorCount: 0,
  copyEngineCount: 0,
  decoderCount: 0,
  encoderCount: 0,
  jpegCount: 0,
  ofaCount: 0,
  memorySizeMB: 0,
  name: '',
};
