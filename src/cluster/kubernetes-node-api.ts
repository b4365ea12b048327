import {
  ApiException,
  type ConfigurationOptions,
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  Observable,
  type ObservableMiddleware,
  PatchStrategy,
  type RequestContext,
  ServerConfiguration,
  type V1Node,
} from '@kubernetes/client-node';
import { existsSync } from 'node:fs';
import { OperatorError } from '../lib/errors.ts';
import { toMergePatch, type NodeAmounts } from './allocatable.ts';
import { describeProblem, type NodePart } from './api-problem.ts';
import type { ApiAnswer, NodeApi, NodeApiOptions, NodeIdentity } from './node-api.ts';

/** Who owns the labels that we apply. */
const fieldManager = 'slicewise-labels';
const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * The way to one node by the official client. Costs half a second and some 30 MB to load, so it is imported when it is
 * used, and is a file of its own in the bundle.
 * @throws OperatorError `no-api-access` when nothing says where the API server is or who asks
 */
export function openNodeApi(options: NodeApiOptions): NodeApi {
  const config = readAccess(options.kubeconfig);
  const server = config.getCurrentCluster()?.server ?? '';
  const connections = new KeptConnections(config);
  const api = new CoreV1Api(
    createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: connections },
    }),
  );
  const askFor = async <T>(
    part: NodePart,
    toValue: (node: V1Node) => T,
    call: (name: string, options: ConfigurationOptions) => Promise<V1Node>,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer<T>> => {
    const until = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
    try {
      return { ok: true, value: toValue(await call(options.nodeName, requestOptions(headers, until))) };
    } catch (thrown) {
      const answer =
        thrown instanceof ApiException
          ? { code: thrown.code, body: thrown.body as unknown, headers: thrown.headers }
          : null;
      return { ok: false, problem: describeProblem(answer, thrown, { ...options, server, part }) };
    }
  };
  return {
    read: (signal) =>
      askFor('status', toAmounts, async (name, own) => api.readNodeStatus({ name }, own), signal),
    write: (change, signal) =>
      askFor(
        'status',
        toAmounts,
        async (name, own) => api.patchNodeStatus({ name, body: toMergePatch(change) }, own),
        signal,
        { 'Content-Type': PatchStrategy.MergePatch },
      ),
    identify: (signal) =>
      askFor('labels', toIdentity, async (name, own) => api.readNode({ name }, own), signal),
    applyLabels: (labels, uid, signal) =>
      askFor(
        'labels',
        () => null,
        async (name, own) => {
          const body = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid, labels } };
          return api.patchNode({ name, body, fieldManager }, own);
        },
        signal,
        { 'Content-Type': PatchStrategy.ServerSideApply },
      ),
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}

/** Where the API server is and who asks. */
function readAccess(kubeconfig: string | null): KubeConfig {
  const config = new KubeConfig();
  if (kubeconfig === null) {
    config.loadFromCluster();
    if (!existsSync(tokenFile) || !URL.canParse(config.getCurrentCluster()?.server ?? ''))
      throw new OperatorError(
        'no-api-access',
        `No way to the API server: ${tokenFile} is missing or KUBERNETES_SERVICE_HOST is not set. Give the pod its service account's token ` +
          '(automountServiceAccountToken: true), or name a kubeconfig (--kubeconfig, KUBECONFIG)',
      );
    return config;
  }
  try {
    config.loadFromFile(kubeconfig);
  } catch (thrown) {
    throw new OperatorError('no-api-access', `The kubeconfig ${kubeconfig} cannot be used`, {
      cause: thrown,
    });
  }
  if (config.getCurrentCluster() === null)
    throw new OperatorError(
      'no-api-access',
      `The kubeconfig ${kubeconfig} has no current context with a cluster`,
    );
  return config;
}

/** Proves who asks as the client does, but keeps its connections: the client would make new ones for each request. */
class KeptConnections implements AsyncDisposable {
  readonly #config: KubeConfig;
  #kept: ReturnType<RequestContext['getDispatcher']>;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  getName(): string {
    return 'kept connections';
  }

  async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await this.#config.applySecurityAuthentication(context);
    this.#kept ??= context.getDispatcher();
    if (this.#kept !== undefined) context.setDispatcher(this.#kept);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kept?.destroy();
  }
}

function requestOptions(
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): ConfigurationOptions {
  const prepare: ObservableMiddleware = {
    pre(request) {
      for (const [name, value] of Object.entries(headers)) request.setHeaderParam(name, value);
      request.setSignal(signal);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
  return { middlewareMergeStrategy: 'append', middleware: [prepare] };
}

function toAmounts({ status }: V1Node): NodeAmounts {
  return {
    capacity: status?.capacity ?? {},
    allocatable: status?.allocatable ?? {},
    bootId: status?.nodeInfo?.bootID ?? null,
  };
}

function toIdentity({ metadata, status }: V1Node): NodeIdentity {
  return { uid: metadata?.uid ?? '', bootId: status?.nodeInfo?.bootID ?? null };
}
