import { toError } from '../../lib/errors.ts';
import { unknownSigns, type GpuSigns, type RecoveryAction, type Slowdown } from '../gpu-signs.ts';
import { textOf } from './answers.ts';
import { sizeOf } from './bind.ts';
import { constants, recoveryActionNumbers } from './constants.ts';
import {
  structs,
  type FieldValue,
  type Handle,
  type MemoryInfo,
  type Out,
  type SramEccErrorStatus,
} from './layouts.ts';
import type { NvmlLibrary } from './library.ts';
import type { NvLinkWatch } from './nvlink-watch.ts';
import { readHandle } from './read-gpu.ts';
import { NvmlError } from './return-codes.ts';

/**
 * How one GPU is, asked through a fresh handle. Never throws for what the GPU does: one that does not tell its UUID or its memory is lost,
 * and what else it does not answer is not told. A driver notices that a GPU is gone when it has to ask the GPU itself, and there is no one question
 * for which it always does so: hence those whose answers nobody needs.
 * @param known the UUID that the GPU of this index had; another one in its place is lost in the name of the known one
 */
export function readSigns(nvml: NvmlLibrary, index: number, known: string, links: NvLinkWatch): GpuSigns {
  const signs = unknownSigns(known);
  try {
    const gpu = readHandle(nvml, index);
    const uuid = Buffer.alloc(constants.NVML_DEVICE_UUID_V2_BUFFER_SIZE);
    nvml.ask('deviceGetUuid', gpu, uuid, uuid.length);
    if (textOf(uuid) !== known) return { ...signs, lost: `another GPU, ${textOf(uuid)}, is in its place` };
    const memory: Partial<MemoryInfo> = {};
    nvml.askIfKnown('deviceGetMemoryInfo', [gpu, memory], () => null);
    touch(nvml, gpu);
    return {
      ...signs,
      recoveryAction: readRecoveryAction(nvml, gpu),
      rowRemap: readRowRemap(nvml, gpu),
      sramThresholdExceeded: readSramThreshold(nvml, gpu),
      slowdowns: readSlowdowns(nvml, gpu),
      nvlinksDown: links.countDown(nvml, gpu, known),
    };
  } catch (thrown) {
    return { ...signs, lost: toError(thrown).message, isUnsure: !saysGone(thrown) };
  }
}

/** Null for every answer but a good one; the loss of the GPU is an error. */
function ask(nvml: NvmlLibrary): NvmlLibrary['askOrNull'] {
  return (name, args, answer) => {
    try {
      return nvml.askIfKnown(name, args, answer);
    } catch (thrown) {
      if (thrown instanceof NvmlError && !saysGone(thrown)) return null;
      throw thrown;
    }
  };
}

function saysGone(thrown: unknown): boolean {
  return thrown instanceof NvmlError && goneCodes.includes(thrown.returnCode);
}

/** GPU_IS_LOST, and RESET_REQUIRED: neither ends by itself. */
const goneCodes: readonly number[] = [15, 16];

/** Asks a GPU for what comes from other parts of it than the memory: a sensor, the power supply, the error counters. */
function touch(nvml: NvmlLibrary, gpu: Handle): void {
  const { NVML_TEMPERATURE_GPU, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC } = constants;
  const nothing = (): null => null;
  ask(nvml)('deviceGetTemperature', [gpu, NVML_TEMPERATURE_GPU, [null]], nothing);
  ask(nvml)('deviceGetPowerUsage', [gpu, [null]], nothing);
  ask(nvml)(
    'deviceGetTotalEccErrors',
    [gpu, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, [null]],
    nothing,
  );
}

function readRecoveryAction(nvml: NvmlLibrary, gpu: Handle): RecoveryAction | null {
  const field: FieldValue = {
    fieldId: constants.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION,
    scopeId: 0,
    timestamp: 0,
    latencyUsec: 0,
    valueType: 0,
    nvmlReturn: 0,
    value: new Uint8Array(8),
  };
  return ask(nvml)('deviceGetFieldValues', [gpu, 1, field], () => {
    if (field.nvmlReturn !== 0 || field.valueType === constants.NVML_VALUE_TYPE_DOUBLE) return null;
    // Whole numbers of all sizes begin with the bytes of the small one.
    const number = Buffer.from(field.value).readUInt32LE();
    return Object.values(recoveryActionNumbers).find(([known]) => known === number)?.[1] ?? 'other';
  });
}

function readRowRemap(nvml: NvmlLibrary, gpu: Handle): GpuSigns['rowRemap'] {
  const pending: Out<number> = [null];
  const failed: Out<number> = [null];
  return ask(nvml)('deviceGetRemappedRows', [gpu, [null], [null], pending, failed], () => ({
    failed: failed[0] !== 0,
    pending: pending[0] !== 0,
  }));
}

function readSramThreshold(nvml: NvmlLibrary, gpu: Handle): boolean | null {
  const status = Object.fromEntries(
    Object.keys(structs.nvmlEccSramErrorStatus_t).map((field) => [field, 0]),
  ) as SramEccErrorStatus;
  status.version = sizeOf('nvmlEccSramErrorStatus_t') | (1 << 24);
  return ask(nvml)('deviceGetSramEccErrorStatus', [gpu, status], () => status.bThresholdExceeded !== 0);
}

function readSlowdowns(nvml: NvmlLibrary, gpu: Handle): Slowdown[] {
  const out: Out<number | bigint> = [null];
  const reasons = ask(nvml)('deviceGetCurrentClocksEventReasons', [gpu, out], () => Number(out[0] ?? 0)) ?? 0;
  return slowdownBits.filter(([bit]) => (reasons & bit) !== 0).map(([, slowdown]) => slowdown);
}

const slowdownBits: readonly (readonly [number, Slowdown])[] = [
  [constants.nvmlClocksThrottleReasonHwThermalSlowdown, 'thermal'],
  [constants.nvmlClocksThrottleReasonHwPowerBrakeSlowdown, 'power-brake'],
];
