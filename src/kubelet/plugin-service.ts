import {
  type handleUnaryCall,
  type ServerWritableStream,
  status,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { once } from 'node:events';
import type { ContainerResponse } from '../allocation/response.ts';
import type { Log } from '../lib/log.ts';
import { toError } from '../lib/errors.ts';
import type { ListedDevice, PluginOptions, PreferenceRequest } from './contract.ts';
import {
  Refusal,
  type KubeletObserver,
  type ResourceHandlers,
  type RpcMethod,
  type StatusName,
} from './handlers.ts';

/** The same options are sent with Register: kubelets before 1.21 take them from there. */
export function pluginOptions({ kubeletChooses }: Pick<ResourceHandlers, 'kubeletChooses'>): PluginOptions {
  return { preStartRequired: false, preferredAllocationAvailable: kubeletChooses };
}

/** What the service tells the session that runs it. */
export interface ServiceEvents {
  /** The kubelet has opened ListAndWatch. */
  listening(): void;
  /** ListAndWatch has ended although nobody here ended it. */
  lost(): void;
}

/** The DevicePlugin service of one resource. Lists stop when the signal aborts. */
export function pluginService(
  handlers: ResourceHandlers,
  events: ServiceEvents,
  deps: { readonly log: Log; readonly observer: KubeletObserver },
  signal: AbortSignal,
): UntypedServiceImplementation {
  /** Somebody who looks at the list beside the kubelet and goes does not end the session. */
  let streams = 0;
  function unary<Request, Response>(
    method: RpcMethod,
    answer: (request: Request) => Response | Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const startedMs = performance.now();
      const report = (code: StatusName): void =>
        deps.observer.rpc(method, code, (performance.now() - startedMs) / 1000);
      const succeed = (response: Response): void => {
        callback(null, response);
        report('OK');
      };
      const fail = (thrown: unknown): void => {
        const failure = toServiceError(thrown);
        callback(failure);
        report(status[failure.code] as StatusName);
        if (!(thrown instanceof Refusal)) deps.log.error({ err: toError(thrown), method }, 'call failed');
      };
      try {
        const response = answer(call.request);
        if (response instanceof Promise) response.then(succeed, fail);
        else succeed(response);
      } catch (thrown) {
        fail(thrown);
      }
    };
  }

  return {
    GetDevicePluginOptions: unary('GetDevicePluginOptions', () => pluginOptions(handlers)),
    GetPreferredAllocation: unary('GetPreferredAllocation', (requests: readonly PreferenceRequest[]) =>
      preferAll(handlers, requests),
    ),
    Allocate: unary('Allocate', (containers: readonly (readonly string[])[]) =>
      allocateAll(handlers, containers, deps.observer),
    ),
    PreStartContainer: unary('PreStartContainer', () => undefined),
    ListAndWatch: (call: ServerWritableStream<void, readonly ListedDevice[]>) => {
      events.listening();
      streams += 1;
      streamLists(call, handlers, signal)
        .catch((thrown: unknown) => deps.log.debug({ err: toError(thrown) }, 'the list stream broke'))
        .finally(() => {
          streams -= 1;
          if (streams === 0 && !signal.aborted) events.lost();
        });
    },
  };
}

function isThere<T>(answer: T | Promise<T>): answer is T {
  return !(answer instanceof Promise);
}

/** From memory at once, but where another agent has to be asked. */
function preferAll(
  handlers: ResourceHandlers,
  requests: readonly PreferenceRequest[],
): readonly (readonly string[])[] | Promise<readonly (readonly string[])[]> {
  const answers = requests.map((request) => handlers.prefer(request));
  return answers.every(isThere) ? answers : Promise.all(answers.map(async (answer) => answer));
}

/** The kubelet sends one container a call; the contract allows several, which must not share a device. */
function allocateAll(
  handlers: ResourceHandlers,
  containers: readonly (readonly string[])[],
  observer: Pick<KubeletObserver, 'malformed'>,
): readonly ContainerResponse[] | Promise<readonly ContainerResponse[]> {
  const problem = whyMalformed(containers);
  if (problem !== null) {
    observer.malformed(handlers.resource, problem);
    throw new Refusal('invalid-request', `${handlers.resource}: ${problem}`);
  }
  if (containers.length > 1) return Promise.all(containers.map(async (ids) => handlers.allocate(ids)));
  const [answer] = containers.map((ids) => handlers.allocate(ids));
  if (answer instanceof Promise) return answer.then((response) => [response]);
  return answer === undefined ? [] : [answer];
}

/** `null`: every container can be asked for by itself. */
function whyMalformed(containers: readonly (readonly string[])[]): string | null {
  if (containers.length === 0) return 'the Allocate request names no container.';
  const seen = new Set<string>();
  for (const ids of containers.map((each) => new Set(each))) {
    if (!ids.isDisjointFrom(seen)) return 'one device is asked for by two containers at once.';
    for (const id of ids) seen.add(id);
  }
  return null;
}

/** Writes the list and every newer one; a reader that is slow gets only the newest. Ends the stream on our stop. */
async function streamLists(
  call: ServerWritableStream<void, readonly ListedDevice[]>,
  handlers: ResourceHandlers,
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  // 'cancelled' and 'close' also fire after our own end(); the session's signal tells the two apart.
  const leave = (): void => gone.abort();
  for (const event of ['cancelled', 'close', 'error']) call.on(event, leave);
  const until = AbortSignal.any([signal, gone.signal]);
  try {
    for await (const devices of handlers.list.values(until)) {
      if (!call.write(devices)) await once(call, 'drain', { signal: until }).catch(() => undefined);
    }
  } finally {
    call.end();
  }
}

/** The one place that turns what was thrown into a gRPC status. */
function toServiceError(thrown: unknown): ServiceError {
  const error = toError(thrown);
  const code =
    error instanceof Refusal
      ? error.kind === 'invalid-request'
        ? status.INVALID_ARGUMENT
        : status.FAILED_PRECONDITION
      : status.INTERNAL;
  const details =
    error instanceof Refusal
      ? error.message
      : 'The device plugin failed on this request; its log on the node says why.';
  return Object.assign(new Error(details), { code, details, metadata: undefined as never });
}
