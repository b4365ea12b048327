import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import type { ContainerDevices } from '../../src/kubelet/contract.ts';
import { podResourcesService } from '../../src/kubelet/wire.ts';

/** A gRPC server on a unix socket until the test is over. */
export async function serveAt(
  path: string,
  service: object,
  implementation: UntypedServiceImplementation,
): Promise<Server> {
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  server.addService(service as ServiceDefinition, implementation);
  const bound = Promise.withResolvers<void>();
  server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
    error === null ? bound.resolve() : bound.reject(error),
  );
  await bound.promise;
  onTestFinished(() => server.forceShutdown());
  return server;
}

/** A pod resources API that answers what it is told to. */
export async function servePodResources(
  path: string,
  answer: () => readonly ContainerDevices[],
): Promise<{ readonly calls: () => number }> {
  let calls = 0;
  await serveAt(path, podResourcesService, {
    List: (_call: unknown, respond: sendUnaryData<readonly ContainerDevices[]>) => {
      calls += 1;
      try {
        respond(null, answer());
      } catch (thrown) {
        respond({ code: status.RESOURCE_EXHAUSTED, details: (thrown as Error).message });
      }
    },
  });
  return { calls: () => calls };
}
