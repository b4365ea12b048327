import { Client, credentials, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { ListedDevice, RegisterRequest } from '../../../src/kubelet/contract.ts';
import { devicePluginService, registrationService } from '../../../src/kubelet/wire.ts';

/** A kubelet.sock that takes every plugin and listens to its list; it deletes no socket and remembers nothing. */
export interface Registrar extends Disposable {
  readonly requests: readonly RegisterRequest[];
  /** Every list that arrived. */
  readonly lists: readonly (readonly ListedDevice[])[];
}

/**
 * Puts a kubelet.sock at the path by renaming, so that one that is there is replaced at one stroke and nothing else is touched.
 * @param beforeAnswer runs while Register is open
 */
export async function listenAsKubelet(
  path: string,
  beforeAnswer: (request: RegisterRequest) => Promise<void> = async () => undefined,
): Promise<Registrar> {
  const requests: RegisterRequest[] = [];
  const lists: (readonly ListedDevice[])[] = [];
  const clients: Client[] = [];
  const server = new Server();
  server.addService(registrationService, {
    Register: (call: ServerUnaryCall<RegisterRequest, void>, respond: sendUnaryData<void>) => {
      requests.push(call.request);
      void beforeAnswer(call.request).then(
        () => {
          respond(null, undefined);
          clients.push(follow(join(dirname(path), call.request.endpoint), (list) => lists.push(list)));
        },
        (error: Error) => respond({ code: status.UNKNOWN, details: error.message }),
      );
    },
  });
  const boundAt = join(dirname(dirname(path)), `r${Math.random().toString(36).slice(2, 8)}.sock`);
  await mkdir(dirname(path), { recursive: true });
  const bound = Promise.withResolvers<void>();
  server.bindAsync(`unix:${boundAt}`, ServerCredentials.createInsecure(), (error) =>
    error === null ? bound.resolve() : bound.reject(error),
  );
  await bound.promise;
  await rename(boundAt, path);
  return {
    requests,
    lists,
    [Symbol.dispose]() {
      for (const client of clients) client.close();
      server.forceShutdown();
    },
  };
}

function follow(socket: string, onList: (list: readonly ListedDevice[]) => void): Client {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const { path, requestSerialize, responseDeserialize } = devicePluginService.ListAndWatch;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, undefined);
  stream.on('data', onList);
  stream.on('error', () => client.close());
  stream.on('end', () => client.close());
  return client;
}
