import { Client, credentials, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { Refusal, type ResourceHandlers } from './handlers.ts';
import { devicePluginService } from './wire.ts';

/** The kubelet's own call has none; an Allocate that waits for the kubelet's record takes 5 s at most. */
const answeredWithinMs = 6000;

/** The calls of one resource, answered by its successor as soon as that serves it. Disposing breaks off what is still open. */
export interface PassedCalls extends Pick<ResourceHandlers, 'prefer' | 'allocate'>, Disposable {
  /** Resolves when none is open. */
  settled(): Promise<void>;
}

/**
 * Answers with what the next agent answers, which alone decides once it serves the resource; before that the handlers answer themselves.
 * @param successor path of the socket on which it serves the resource, `null` before it does; asked for each call
 * @throws Refusal from `allocate`, with the other agent's words, or when it does not answer
 */
export function passCalls(
  handlers: Pick<ResourceHandlers, 'prefer' | 'allocate'>,
  successor: () => string | null,
): PassedCalls {
  const open = new Map<{ cancel(): void }, Promise<unknown>>();

  /** On a connection of its own, so that none stays that the other agent would take for the kubelet's. */
  async function ask<Request, Response>(
    socketPath: string,
    method: MethodDefinition<readonly Request[], readonly Response[]>,
    request: Request,
  ): Promise<Response> {
    const client = new Client(`unix://${socketPath}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.default_authority': 'localhost',
    });
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      [request],
      { deadline: Date.now() + answeredWithinMs },
      (error, responses) => {
        const [response] = responses ?? [];
        if (error !== null) reject(refusalOf(error));
        else if (response === undefined) reject(new Error('the next agent answered for no container'));
        else resolve(response);
      },
    );
    open.set(call, promise);
    try {
      return await promise;
    } finally {
      open.delete(call);
      client.close();
    }
  }

  return {
    prefer(request) {
      const path = successor();
      if (path === null) return handlers.prefer(request);
      // It is advice: ours is as good as none.
      return ask(path, devicePluginService.GetPreferredAllocation, request).catch(() =>
        handlers.prefer(request),
      );
    },
    allocate(ids) {
      const path = successor();
      return path === null ? handlers.allocate(ids) : ask(path, devicePluginService.Allocate, ids);
    },
    async settled() {
      while (open.size > 0) await Promise.allSettled(open.values());
    },
    [Symbol.dispose]() {
      for (const call of open.keys()) call.cancel();
    },
  };
}

function refusalOf({ code, details }: ServiceError): Refusal {
  if (code === status.INVALID_ARGUMENT) return new Refusal('invalid-request', details);
  if (code === status.FAILED_PRECONDITION || code === status.INTERNAL)
    return new Refusal('not-available', details);
  return new Refusal(
    'not-available',
    `the agent on this node is being replaced, and the next one did not answer (${details}); make the pod again.`,
  );
}
