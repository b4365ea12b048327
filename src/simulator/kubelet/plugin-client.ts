import {
  Client,
  credentials,
  Metadata,
  status,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { basename } from 'node:path';
import type {
  AllocateAnswer,
  ListedDevice,
  PluginOptions,
  PreferenceRequest,
} from '../../kubelet/contract.ts';
import { devicePluginService } from '../../kubelet/wire.ts';

/** The receive limit of a Go gRPC client; the kubelet leaves it as it is. */
const receiveLimitBytes = 4 * 1024 * 1024;
const preStartDeadlineMs = 30_000;

/** A list, and when its last byte was there, by `performance.now()`: before it was decoded. */
export interface ReceivedList {
  readonly devices: readonly ListedDevice[];
  readonly receivedAt: number;
}

/** The kubelet's connection to one plugin socket. Closing it ends every call, the list stream included. */
export class PluginClient {
  readonly resource: string;
  readonly socketPath: string;
  readonly #client: Client;
  readonly #calls = new Set<{ cancel(): void }>();
  #stream: { cancel(): void } | null = null;

  constructor(resource: string, socketPath: string) {
    this.resource = resource;
    this.socketPath = socketPath;
    this.#client = new Client(`unix://${socketPath}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': receiveLimitBytes,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
  }

  /** The file name of the plugin's socket. */
  get endpoint(): string {
    return basename(this.socketPath);
  }

  /** Waits for the connection; throws the kubelet's text when there is none within the time or the client is closed. */
  async dial(timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#client.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined) resolve();
      else reject(new Error('failed to dial device plugin: context deadline exceeded', { cause: error }));
    });
    await promise;
  }

  getOptions(): Promise<PluginOptions> {
    return this.#unary(devicePluginService.GetDevicePluginOptions, undefined);
  }

  /** Every list that the plugin sends, until the stream ends; throws how it ended when not by the plugin's own end. */
  async *lists(): AsyncGenerator<ReceivedList, void, void> {
    const { path, requestSerialize, responseDeserialize } = devicePluginService.ListAndWatch;
    const stream = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      (bytes): ReceivedList => ({ receivedAt: performance.now(), devices: responseDeserialize(bytes) }),
      undefined,
      new Metadata(),
    );
    this.#stream = stream;
    try {
      for await (const list of stream) yield list as ReceivedList;
    } catch (error) {
      throw asGoError(error as ServiceError);
    }
  }

  /** Ends the list stream from this side, as a broken connection would. */
  dropStream(): void {
    this.#stream?.cancel();
  }

  async getPreferred(request: PreferenceRequest): Promise<readonly string[]> {
    return (await this.#unary(devicePluginService.GetPreferredAllocation, [request]))[0] ?? [];
  }

  /** Without a deadline, as in the kubelet. */
  allocate(ids: readonly string[]): Promise<AllocateAnswer> {
    return this.#unary(devicePluginService.Allocate, [ids]);
  }

  preStart(ids: readonly string[]): Promise<void> {
    return this.#unary(devicePluginService.PreStartContainer, ids, Date.now() + preStartDeadlineMs);
  }

  close(): void {
    this.dropStream();
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }

  #unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    deadline: number = Infinity,
  ): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const call = this.#client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline },
      (error, response) => {
        this.#calls.delete(call);
        if (error === null) resolve(response as Response);
        else reject(asGoError(error));
      },
    );
    this.#calls.add(call);
    return promise;
  }
}

/** The error as Go's gRPC library words it, which is how it reaches a pod's status. */
function asGoError(error: ServiceError): Error {
  const name = error.code === status.CANCELLED ? 'Canceled' : pascalCase(status[error.code] ?? 'UNKNOWN');
  return new Error(`rpc error: code = ${name} desc = ${error.details}`, { cause: error });
}

function pascalCase(code: string): string {
  return code.toLowerCase().replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
