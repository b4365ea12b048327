import type { ContainerResponse } from '../../src/allocation/response.ts';
import type { ListedDevice } from '../../src/kubelet/contract.ts';
import { Refusal, type KubeletObserver, type ResourceHandlers } from '../../src/kubelet/handlers.ts';
import { Latest } from '../../src/lib/latest.ts';

/** A healthy device without a NUMA node. */
export function device(id: string): ListedDevice {
  return { id, health: 'Healthy', numaNode: null };
}

/** Handlers of a resource with two devices; `allocate` refuses `unknown`, fails on `broken` and names the ids otherwise. */
export function testHandlers(): ResourceHandlers & { readonly list: Latest<readonly ListedDevice[]> } {
  return {
    resource: 'example.com/gpu',
    kubeletChooses: true,
    list: new Latest<readonly ListedDevice[]>([device('a'), device('b')]),
    prefer: ({ availableIds, size }) => availableIds.slice(0, size),
    allocate(ids) {
      if (ids.includes('unknown')) throw new Refusal('invalid-request', 'unknown is not known');
      if (ids.includes('unhealthy')) throw new Refusal('not-available', 'unhealthy is not healthy');
      if (ids.includes('broken')) throw new TypeError('a secret of the inside');
      return answerWith(ids);
    },
  };
}

export function answerWith(ids: readonly string[]): ContainerResponse {
  return { envs: { IDS: ids.join(',') }, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
}

/** An observer that keeps what it hears, one line each. */
export function recordingObserver(): KubeletObserver & { readonly heard: readonly string[] } {
  const heard: string[] = [];
  return {
    heard,
    registration: (resource, result) => void heard.push(`${resource} ${result}`),
    connected: (resource, endpoint) => void heard.push(`${resource} connected ${String(endpoint !== null)}`),
    unregistered: (resource, reason) => void heard.push(`${resource} unregistered: ${reason}`),
    malformed: (resource, problem) => void heard.push(`${resource} malformed: ${problem}`),
    rpc: (method, code) => void heard.push(`${method} ${code}`),
  };
}
