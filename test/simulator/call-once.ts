import { Client, credentials, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import type { ContainerDevices } from '../../src/kubelet/contract.ts';
import { podResourcesService } from '../../src/kubelet/wire.ts';
import type { StandInKubelet } from '../../src/simulator/kubelet/kubelet.ts';

/** One unary call over a connection of its own. */
export async function callOnce<Request, Response>(
  socket: string,
  method: MethodDefinition<Request, Response>,
  request: Request,
): Promise<Response> {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  client.makeUnaryRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    new Metadata(),
    { deadline: Date.now() + 15_000 },
    (error, response) => (error === null ? resolve(response as Response) : reject(error)),
  );
  try {
    return await promise;
  } finally {
    client.close();
  }
}

/** What pod-resources List answers. */
export function listPods(kubelet: StandInKubelet): Promise<readonly ContainerDevices[]> {
  return callOnce(kubelet.podResourcesSocket, podResourcesService.List, undefined);
}
