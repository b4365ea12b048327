import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { existsSync } from 'node:fs';
import { orAborted } from '../lib/abort.ts';
import { isAbort, OperatorError } from '../lib/errors.ts';
import type { ContainerDevices, ResourceDevices } from './contract.ts';
import { podResourcesService } from './wire.ts';

const deadlineMs = 5000;
/** A kubelet that lives accepts at once. */
const connectWithinMs = 500;
/** A node with thousands of held ids answers with more than gRPC's default of 4 MiB. */
const maxMessageBytes = 64 * 1024 * 1024;

/**
 * What the containers of active pods hold, by the kubelet's pod resources API; `null` where the kubelet has no such socket, `busy`
 * when `isQuiet` said so once the connection stood, and nothing was asked.
 *
 * The call has a side effect that is wanted here: the kubelet drops ended pods from its memory. It must not be made while an
 * Allocate call is open, because the ids in flight then drop out of the kubelet's books.
 * @param isQuiet whether the kubelet may be asked, at the last moment: to connect takes longer than an admission
 * @throws OperatorError `pod-resources-failed`, or an `AbortError` when the signal aborts first
 */
export async function listHeldDevices(
  socket: string,
  isQuiet: () => boolean,
  signal: AbortSignal,
): Promise<readonly ContainerDevices[] | 'busy' | null> {
  const { List } = podResourcesService;
  return ask(socket, async (client) => (isQuiet() ? call(client, List, signal) : 'busy'), signal);
}

/**
 * The devices that the kubelet would give out as it is, held or not: the healthy ones of the lists that it has taken over. `null` where the
 * kubelet has no such socket. Asking changes nothing.
 * @throws OperatorError `pod-resources-failed`, or an `AbortError` when the signal aborts first
 */
export async function listHealthyDevices(
  socket: string,
  signal: AbortSignal,
): Promise<readonly ResourceDevices[] | null> {
  const { GetAllocatableResources } = podResourcesService;
  return ask(socket, async (client) => call(client, GetAllocatableResources, signal), signal);
}

async function ask<T>(
  socket: string,
  question: (client: Client) => Promise<T>,
  signal: AbortSignal,
): Promise<T | null> {
  if (!existsSync(socket)) return null;
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': maxMessageBytes,
  });
  try {
    await orAborted(connect(client), signal);
    return await question(client);
  } catch (thrown) {
    if (isAbort(thrown)) throw thrown;
    throw new OperatorError('pod-resources-failed', `The pod resources API on ${socket} failed`, {
      cause: thrown,
    });
  } finally {
    client.close();
  }
}

function connect(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + connectWithinMs, (error) =>
      error === undefined ? resolve() : reject(error),
    );
  });
}

async function call<T>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<void, readonly T[]>,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly T[]>();
  const unary = client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    undefined,
    { deadline: Date.now() + deadlineMs },
    (error, answer) => (error === null ? resolve(answer ?? []) : reject(error)),
  );
  try {
    return await orAborted(promise, signal);
  } finally {
    unary.cancel();
  }
}
