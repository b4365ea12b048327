import { Client, credentials, type MethodDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { orAborted } from '../lib/abort.ts';
import { Latest } from '../lib/latest.ts';
import { silentLog } from '../lib/log.ts';
import type { ListedDevice } from './contract.ts';
import type { KubeletObserver, ResourceHandlers } from './handlers.ts';
import { rehearsalPrefix } from './own-sockets.ts';
import { servePlugin } from './plugin-server.ts';
import { register } from './registration.ts';
import { devicePluginService, registrationService } from './wire.ts';

const withinMs = 10_000;

/**
 * Goes through a registration and some calls with a kubelet of its own making, so that all code is loaded when it is needed in
 * earnest: the first use of the gRPC library takes far longer than the second. More than once gains little and costs memory.
 * @param folder where a folder can be made; it is gone afterwards
 */
export async function rehearse(folder: string, signal: AbortSignal): Promise<void> {
  const stage = await mkdtemp(join(folder, rehearsalPrefix));
  const until = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  const kubelet = new Server();
  kubelet.addService(registrationService, {
    Register: (_call: unknown, answer: (error: null, response: undefined) => void) => answer(null, undefined),
  });
  try {
    const socket = join(stage, 'kubelet.sock');
    await promisify(kubelet.bindAsync.bind(kubelet))(`unix:${socket}`, ServerCredentials.createInsecure());
    const plugin = join(stage, 'plugin.sock');
    await using server = await servePlugin(handlers, plugin, { log: silentLog(), observer });
    await register(socket, handlers, 'plugin.sock', until);
    await callPlugin(plugin, until);
    server.endLists();
  } finally {
    kubelet.forceShutdown();
    await rm(stage, { recursive: true, force: true });
  }
}

/** What a kubelet asks: the options, the list, and what it asks for a pod. */
async function callPlugin(socket: string, signal: AbortSignal): Promise<void> {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const { GetDevicePluginOptions, ListAndWatch, GetPreferredAllocation, Allocate } = devicePluginService;
  try {
    await orAborted(call(client, GetDevicePluginOptions, undefined), signal);
    const list = Promise.withResolvers<unknown>();
    const { path, requestSerialize, responseDeserialize } = ListAndWatch;
    client
      .makeServerStreamRequest(path, requestSerialize, responseDeserialize, undefined)
      .on('error', list.resolve)
      .on('data', list.resolve);
    await orAborted(list.promise, signal);
    const request = { availableIds: ['rehearsal'], requiredIds: [], size: 1 };
    await orAborted(call(client, GetPreferredAllocation, [request]), signal);
    await orAborted(call(client, Allocate, [['rehearsal']]), signal);
  } finally {
    client.close();
  }
}

function call<Request, Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
  request: Request,
): Promise<unknown> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, resolve);
  });
}

const handlers: ResourceHandlers = {
  resource: 'slicewise.io/rehearsal',
  kubeletChooses: true,
  list: new Latest<readonly ListedDevice[]>([{ id: 'rehearsal', health: 'Healthy', numaNode: 0 }]),
  prefer: ({ availableIds }) => availableIds,
  allocate: ([id = '']) => ({
    envs: { id },
    mounts: [{ hostPath: '/', containerPath: '/', readOnly: true }],
    devices: [{ hostPath: '/dev/null', containerPath: '/dev/null', permissions: 'rw' }],
    annotations: { id },
    cdiDevices: [id],
  }),
};

const observer: KubeletObserver = {
  registration: () => undefined,
  connected: () => undefined,
  unregistered: () => undefined,
  malformed: () => undefined,
  rpc: () => undefined,
};
