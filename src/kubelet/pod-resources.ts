import { Client, credentials } from '@grpc/grpc-js';
import { existsSync } from 'node:fs';
import { OperatorError } from '../lib/errors.ts';
import type { ContainerDevices } from './contract.ts';
import { podResourcesService } from './wire.ts';

const deadlineMs = 5000;
/** A node with thousands of held ids answers with more than gRPC's default of 4 MiB. */
const maxMessageBytes = 64 * 1024 * 1024;

/**
 * What the containers of active pods hold, by the kubelet's pod resources API; `null` where the kubelet has no such socket.
 *
 * The call has a side effect that is wanted here: the kubelet drops ended pods from its memory. It must not be made while an
 * Allocate call is open, because the ids in flight then drop out of the kubelet's books.
 * @throws OperatorError `pod-resources-failed`
 */
export async function listHeldDevices(socket: string): Promise<readonly ContainerDevices[] | null> {
  if (!existsSync(socket)) return null;
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': maxMessageBytes,
  });
  const { path, requestSerialize, responseDeserialize } = podResourcesService.List;
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        undefined,
        { deadline: Date.now() + deadlineMs },
        (error, containers) => {
          if (error === null) resolve(containers ?? []);
          else
            reject(
              new OperatorError('pod-resources-failed', `The pod resources API on ${socket} failed`, {
                cause: error,
              }),
            );
        },
      );
    });
  } finally {
    client.close();
  }
}
