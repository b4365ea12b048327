import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { orAborted } from '../lib/abort.ts';
import { OperatorError } from '../lib/errors.ts';
import type { ResourceName } from '../resources/resource-name.ts';
import { apiVersion } from './contract.ts';
import type { ResourceHandlers } from './handlers.ts';
import { pluginOptions } from './plugin-service.ts';
import { registrationService } from './wire.ts';

/** The kubelet dials back, with 10 s of its own, before it answers Register. */
const registerDeadlineMs = 15_000;

/**
 * Registers one resource with the kubelet.
 * @param kubeletSocket absolute path of kubelet.sock
 * @param endpoint file name of the plugin's socket, in the same folder
 * @throws OperatorError `kubelet-refused` with the kubelet's own words, `kubelet-unreachable` when nobody answers
 */
export async function register(
  kubeletSocket: string,
  handlers: Pick<ResourceHandlers, 'resource' | 'kubeletChooses'>,
  endpoint: string,
  signal: AbortSignal,
): Promise<void> {
  // A pool of its own: channels to the same address share their back-off of a second after a refused connection.
  const client = new Client(`unix://${kubeletSocket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.default_authority': 'localhost',
  });
  const { resource } = handlers;
  const { path, requestSerialize, responseDeserialize } = registrationService.Register;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const call = client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { version: apiVersion, endpoint, resourceName: resource, options: pluginOptions(handlers) },
    { deadline: Date.now() + registerDeadlineMs },
    (error) => (error === null ? resolve() : reject(registrationError(kubeletSocket, resource, error))),
  );
  try {
    await orAborted(promise, signal);
  } finally {
    // Closing the client alone leaves an open call open until its deadline.
    call.cancel();
    client.close();
  }
}

function registrationError(
  kubeletSocket: string,
  resource: ResourceName,
  error: ServiceError,
): OperatorError {
  if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) {
    // The library's own text is long and names the address twice; the system's error says all.
    const why = /\bE[A-Z]{4,}\b/.exec(error.details)?.[0] ?? error.details;
    return new OperatorError('kubelet-unreachable', `No kubelet answers on ${kubeletSocket} (${why})`);
  }
  return new OperatorError(
    'kubelet-refused',
    `The kubelet refused to register ${resource}: ${error.details}`,
  );
}
