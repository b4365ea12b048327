import type { DeviceNodes } from '../../inventory/device-nodes.ts';
import type { PlannedDevice } from '../../resources/planned-device.ts';
import type { MemoryGrant } from './place-memory.ts';
import { encodeRecord, recordAnnotation } from '../record.ts';
import {
  buildResponse,
  type CdiRequest,
  type ContainerResponse,
  type ResponseSettings,
} from '../response.ts';

/** The GPU that a container's memory lies on. */
export interface MemoryDevice {
  readonly device: PlannedDevice;
  /** What CUDA gives as the GPU's total memory: without what the driver keeps for itself. */
  readonly usableMiB: number;
}

/** What is told to containers with a share of a GPU. */
export interface MemoryResponseSettings extends ResponseSettings {
  /** Whether the variables are set by which frameworks limit themselves. */
  readonly frameworkEnv: boolean;
}

/**
 * The answer for one container with memory: its GPU as if it had it alone, the amount in variables, and a record that says the amount.
 * The fraction is of what CUDA sees as total, rounded down.
 */
export function buildMemoryResponse(
  { memoryMiB, record }: Pick<MemoryGrant, 'memoryMiB' | 'record'>,
  { device, usableMiB }: MemoryDevice,
  settings: MemoryResponseSettings,
  nodes: DeviceNodes,
  cdi: CdiRequest | null,
): ContainerResponse {
  const whole = buildResponse([device], settings, nodes, cdi);
  const fraction = (Math.floor((10_000 * Math.min(memoryMiB, usableMiB)) / usableMiB) / 10_000).toFixed(4);
  return {
    ...whole,
    envs: {
      ...whole.envs,
      SLICEWISE_GPU_MEMORY_MIB: String(memoryMiB),
      SLICEWISE_GPU_MEMORY_FRACTION: fraction,
      ...(settings.frameworkEnv && {
        XLA_PYTHON_CLIENT_MEM_FRACTION: fraction,
        FLAGS_fraction_of_gpu_memory_to_use: fraction,
      }),
    },
    annotations: { ...whole.annotations, [recordAnnotation]: encodeRecord(record) },
  };
}
