import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { join } from 'node:path';
import type { ContainerResponse } from '../../src/allocation/response.ts';
import type {
  AllocateAnswer,
  IdsByContainer,
  ListedDevice,
  PluginOptions,
  PreferenceRequest,
  RegisterRequest,
} from '../../src/kubelet/contract.ts';
import { devicePluginService, registrationService } from '../../src/kubelet/wire.ts';
import type { StandInKubelet } from '../../src/simulator/kubelet/kubelet.ts';
import { callOnce } from './call-once.ts';

export const resource = 'example.com/gpu';

/** Healthy devices without a NUMA node, by id. */
export function healthy(...ids: string[]): ListedDevice[] {
  return ids.map((id) => ({ id, health: 'Healthy', numaNode: null }));
}

/** An answer that names the ids in one variable. */
export function answerWith(ids: readonly string[]): ContainerResponse {
  return { envs: { IDS: ids.join(',') }, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
}

export interface FakePluginOptions {
  readonly resource?: string;
  /** File name of the socket. */
  readonly endpoint?: string;
  readonly devices?: readonly ListedDevice[];
  readonly options?: Partial<PluginOptions>;
}

/** Where a plugin finds its kubelet, stand-in or not. */
export type KubeletPaths = Pick<StandInKubelet, 'devicePluginFolder' | 'registrationSocket'>;

/** A device plugin of a few lines on real gRPC; its behaviour is what the public fields say. */
export class FakePlugin {
  readonly resource: string;
  readonly endpoint: string;
  devices: readonly ListedDevice[];
  options: PluginOptions;
  readonly allocateCalls: IdsByContainer[] = [];
  readonly preferenceCalls: (readonly PreferenceRequest[])[] = [];
  readonly preStartCalls: (readonly string[])[] = [];
  listCalls = 0;
  allocate: (ids: readonly string[]) => Promise<AllocateAnswer> | AllocateAnswer = (ids) => [answerWith(ids)];
  prefer: (request: PreferenceRequest) => readonly string[] = (request) =>
    request.availableIds.slice(0, request.size);
  preStart: () => void = () => undefined;
  getOptions: () => PluginOptions = () => this.options;
  readonly streams = new Set<ServerWritableStream<void, readonly ListedDevice[]>>();
  #server = new Server();
  readonly #kubelet: KubeletPaths;

  constructor(kubelet: KubeletPaths, options: FakePluginOptions = {}) {
    this.#kubelet = kubelet;
    this.resource = options.resource ?? resource;
    this.endpoint = options.endpoint ?? 'fake.sock';
    this.devices = options.devices ?? healthy('a', 'b', 'c', 'd');
    this.options = { preStartRequired: false, preferredAllocationAvailable: false, ...options.options };
  }

  /** Opens the socket, with a new server when it was open before: a kubelet deletes it when it starts. */
  async listen(): Promise<void> {
    this.die();
    this.#server = this.#createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const path = join(this.#kubelet.devicePluginFolder, this.endpoint);
    this.#server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
    await promise;
  }

  register(request: Partial<RegisterRequest> = {}): Promise<void> {
    const { endpoint, options } = this;
    return callOnce(this.#kubelet.registrationSocket, registrationService.Register, {
      version: 'v1beta1',
      endpoint,
      resourceName: this.resource,
      options,
      ...request,
    });
  }

  /** Sends a new list on every open stream. */
  send(devices: readonly ListedDevice[]): void {
    this.devices = devices;
    for (const stream of this.streams) stream.write(devices);
  }

  endStreams(): void {
    for (const stream of this.streams) stream.end();
    this.streams.clear();
  }

  /** Every connection breaks; the socket file goes. */
  die(): void {
    this.#server.forceShutdown();
    this.streams.clear();
  }

  #createServer(): Server {
    const server = new Server();
    server.addService(devicePluginService, {
      GetDevicePluginOptions: answered(() => this.getOptions()),
      Allocate: answered((requests: IdsByContainer) => {
        this.allocateCalls.push(requests);
        return this.allocate(requests[0] ?? []);
      }),
      GetPreferredAllocation: answered((requests: readonly PreferenceRequest[]) => {
        this.preferenceCalls.push(requests);
        return requests.map((request) => this.prefer(request));
      }),
      PreStartContainer: answered((ids: readonly string[]) => {
        this.preStartCalls.push(ids);
        this.preStart();
      }),
      ListAndWatch: (call: ServerWritableStream<void, readonly ListedDevice[]>) => {
        this.listCalls += 1;
        this.streams.add(call);
        call.on('cancelled', () => this.streams.delete(call));
        call.on('error', () => this.streams.delete(call));
        call.write(this.devices);
      },
    });
    return server;
  }
}

/** A plugin that listens, is registered and whose first list has arrived. */
export async function startPlugin(
  kubelet: StandInKubelet,
  options: FakePluginOptions = {},
): Promise<FakePlugin> {
  const plugin = new FakePlugin(kubelet, options);
  const from = kubelet.events.length;
  await plugin.listen();
  await plugin.register();
  await kubelet.waitForEvent('list', { from, where: (event) => event.endpoint === plugin.endpoint });
  await kubelet.waitForEvent('checkpoint-written', { from });
  return plugin;
}

function answered<Request, Response>(answer: (request: Request) => Promise<Response> | Response) {
  return (call: ServerUnaryCall<Request, Response>, respond: sendUnaryData<Response>): void => {
    void (async () => {
      try {
        respond(null, await answer(call.request));
      } catch (error) {
        const { message } = error as Error;
        respond({ code: status.FAILED_PRECONDITION, details: message });
      }
    })();
  };
}
