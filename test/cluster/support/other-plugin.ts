import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ListedDevice } from '../../../src/kubelet/contract.ts';
import type { KubeletObserver } from '../../../src/kubelet/handlers.ts';
import { servePlugin } from '../../../src/kubelet/plugin-server.ts';
import { register } from '../../../src/kubelet/registration.ts';
import { Latest } from '../../../src/lib/latest.ts';
import { silentLog } from '../../../src/lib/log.ts';
import type { ClusterNode } from './cluster-node.ts';
import { gpuResource } from './pod-spec.ts';

const nobody: KubeletObserver = {
  registration: () => undefined,
  connected: () => undefined,
  unregistered: () => undefined,
  malformed: () => undefined,
  rpc: () => undefined,
};

/**
 * A device plugin as others are: it gives out the node's GPUs by their UUIDs, tells containers by the usual variable, and leaves no
 * record of its own in its answers. Disposing ends it.
 */
export async function startOtherPlugin({ cluster, gpus }: ClusterNode): Promise<AsyncDisposable> {
  const { devicePlugins, kubeletSocket } = cluster.paths;
  const list = gpus.ids.map((id): ListedDevice => ({ id, health: 'Healthy', numaNode: null }));
  const handlers = {
    resource: gpuResource,
    kubeletChooses: false,
    list: new Latest<readonly ListedDevice[]>(list),
    prefer: () => [],
    allocate: (ids: readonly string[]) => ({
      envs: { NVIDIA_VISIBLE_DEVICES: ids.join() },
      mounts: [],
      devices: [],
      annotations: {},
      cdiDevices: [],
    }),
  } as const;
  const endpoint = 'other.sock';
  const socket = join(devicePlugins, endpoint);
  const server = await servePlugin(handlers, socket, { log: silentLog(), observer: nobody });
  await register(kubeletSocket, handlers, endpoint, AbortSignal.timeout(20_000));
  await server.listening;
  return {
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(socket, { force: true });
    },
  };
}
