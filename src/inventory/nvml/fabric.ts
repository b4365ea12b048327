import type { FabricPlace } from '../gpu.ts';
import { sizeOf } from './bind.ts';
import type { FabricInfo, Handle } from './layouts.ts';
import { constants } from './constants.ts';
import type { NvmlLibrary } from './library.ts';

/**
 * The fabric that the GPU has joined. A cluster of zeros is that of GPUs whose NVSwitches join one machine alone: no fabric that others
 * could be in. `null` where there is none or the driver does not tell.
 */
export function readFabric(nvml: NvmlLibrary, gpu: Handle): FabricPlace | null {
  const info: FabricInfo = {
    version: sizeOf('nvmlGpuFabricInfo_v2_t') | (2 << 24),
    clusterUuid: new Uint8Array(16),
    status: 0,
    cliqueId: 0,
    state: 0,
    healthMask: 0,
    healthSummary: 0,
  };
  return nvml.askOrNull('deviceGetGpuFabricInfo', [gpu, info], () => {
    const cluster = Buffer.from(info.clusterUuid);
    const joined = info.state === constants.NVML_GPU_FABRIC_STATE_COMPLETED && info.status === 0;
    if (!joined || cluster.every((byte) => byte === 0)) return null;
    return { clusterUuid: formatUuid(cluster.toString('hex')), cliqueId: info.cliqueId };
  });
}

function formatUuid(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
