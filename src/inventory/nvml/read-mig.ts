import { toError } from '../../lib/errors.ts';
import type { MigInstance, MigMode } from '../gpu.ts';
import { compareMigInstances, slicesOf } from '../mig-profile.ts';
import { textOf } from './answers.ts';
import type { Handle, Out } from './layouts.ts';
import { constants } from './constants.ts';
import type { NvmlLibrary } from './library.ts';
import { readAttributes, readMemoryMiB } from './mig-attributes.ts';
import { readProfile } from './mig-profile-name.ts';
import { NvmlError } from './return-codes.ts';

/** The MIG devices of a GPU that could be read, and why others could not; null where all could. */
export interface MigReading {
  readonly instances: readonly MigInstance[];
  readonly error: string | null;
}

/** The GPU's MIG mode; null where it cannot do MIG. */
export function readMigMode(nvml: NvmlLibrary, gpu: Handle): MigMode | null {
  const current: Out<number> = [null];
  const pending: Out<number> = [null];
  return nvml.askIfKnown('deviceGetMigMode', [gpu, current, pending], () => ({
    current: current[0] === constants.NVML_DEVICE_MIG_ENABLE,
    pending: pending[0] === constants.NVML_DEVICE_MIG_ENABLE,
  }));
}

/**
 * Reads the MIG devices of a GPU in MIG mode. A device that is destroyed or made while it is read makes the whole reading
 * start again, a few times at most. What cannot be read for another reason is told and costs no other device.
 * @param gpuMemoryMiB the GPU's, for drivers that do not name the profile
 * @throws NvmlError where the GPU itself is gone
 */
export function readMigInstances(nvml: NvmlLibrary, gpu: Handle, gpuMemoryMiB: number | null): MigReading {
  let attempt = readOnce(nvml, gpu, gpuMemoryMiB);
  for (let turn = 1; turn < maxTurns && attempt.failures.some(isStale); turn += 1)
    attempt = readOnce(nvml, gpu, gpuMemoryMiB);
  const { instances, failures } = attempt;
  const [first] = failures;
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
  return {
    instances: instances.toSorted(compareMigInstances),
    error:
      first === undefined
        ? null
        : `${first.what} cannot be read: ${first.error.message}${more}${adviceFor(first.error)}`,
  };
}

/** The UUIDs of the MIG devices, in the driver's order. @throws NvmlError */
export function readMigUuids(nvml: NvmlLibrary, gpu: Handle): string[] {
  return listMigHandles(nvml, gpu).map(({ handle }) => readUuid(nvml, handle));
}

const maxTurns = 3;

interface Failure {
  readonly what: string;
  readonly error: Error;
}

interface Attempt {
  readonly instances: MigInstance[];
  readonly failures: Failure[];
}

function readOnce(nvml: NvmlLibrary, gpu: Handle, gpuMemoryMiB: number | null): Attempt {
  const attempt: Attempt = { instances: [], failures: [] };
  const guard = <T>(what: string, read: () => T): T | null => {
    try {
      return read();
    } catch (thrown) {
      if (thrown instanceof NvmlError && goneCodes.has(thrown.returnCode)) throw thrown;
      attempt.failures.push({ what, error: toError(thrown) });
      return null;
    }
  };
  const handles = guard('the list of MIG devices', () => listMigHandles(nvml, gpu)) ?? [];
  for (const { index, handle } of handles) {
    const what = `MIG device ${index}`;
    guard(what, () => {
      const uuid = readUuid(nvml, handle);
      const gpuInstanceId = readId((out) => nvml.ask('deviceGetGpuInstanceId', handle, out));
      const computeInstanceId = readId((out) => nvml.ask('deviceGetComputeInstanceId', handle, out));
      const attributes = guard(`the size of ${what}`, () => readAttributes(nvml, handle));
      const profile = readProfile(nvml, { gpu, mig: handle, attributes, gpuMemoryMiB });
      const figures = attributes ?? { ...slicesOf(profile), memoryMiB: readMemoryMiB(nvml, handle) };
      // A handle may come to stand for a new device while it is being asked (nvmlDeviceGetMigDeviceHandleByIndex).
      if (readUuid(nvml, handle) !== uuid) throw new ChangedWhileRead();
      const { memoryMiB, gpuSlices, computeSlices } = figures;
      attempt.instances.push({
        uuid,
        gpuInstanceId,
        computeInstanceId,
        profile,
        memoryMiB,
        gpuSlices,
        computeSlices,
        engines: attributes?.engines ?? null,
        capabilityNodes: [],
      });
    });
  }
  return attempt;
}

function listMigHandles(
  nvml: NvmlLibrary,
  gpu: Handle,
): { readonly index: number; readonly handle: Handle }[] {
  const count: Out<number> = [null];
  nvml.ask('deviceGetMaxMigDeviceCount', gpu, count);
  const found: { index: number; handle: Handle }[] = [];
  for (let index = 0; index < (count[0] ?? 0); index += 1) {
    const handle: Out<Handle> = [null];
    try {
      nvml.ask('deviceGetMigDeviceHandleByIndex', gpu, index, handle);
    } catch (thrown) {
      if (thrown instanceof NvmlError && emptyCodes.has(thrown.returnCode)) continue;
      throw thrown;
    }
    if (handle[0] !== null && handle[0] !== 0n) found.push({ index, handle: handle[0] });
  }
  return found;
}

function readUuid(nvml: NvmlLibrary, handle: Handle): string {
  const text = Buffer.alloc(constants.NVML_DEVICE_UUID_V2_BUFFER_SIZE);
  nvml.ask('deviceGetUuid', handle, text, text.length);
  return textOf(text);
}

function readId(ask: (out: Out<number>) => void): number {
  const out: Out<number> = [null];
  ask(out);
  return out[0] ?? 0;
}

class ChangedWhileRead extends Error {
  override readonly name = 'ChangedWhileRead';
  constructor() {
    super('it changed while it was read');
  }
}

/** The device went away, or another came in its place, between two questions. */
function isStale({ error }: Failure): boolean {
  return (
    error instanceof ChangedWhileRead || (error instanceof NvmlError && staleCodes.has(error.returnCode))
  );
}

function adviceFor(error: Error): string {
  if (!(error instanceof NvmlError) || error.returnCode !== noPermission) return '';
  return '. In a container this takes the NVIDIA runtime with NVIDIA_MIG_MONITOR_DEVICES=all, or privileges';
}

/** INVALID_ARGUMENT, NOT_FOUND: there is no device at the index. */
const emptyCodes: ReadonlySet<number> = new Set([2, 6]);
/** INVALID_ARGUMENT, NOT_FOUND, INVALID_STATE. */
const staleCodes: ReadonlySet<number> = new Set([2, 6, 29]);
/** GPU_IS_LOST, RESET_REQUIRED, GPU_NOT_FOUND: no use in asking on. */
const goneCodes: ReadonlySet<number> = new Set([15, 16, 28]);
const noPermission = 4;
