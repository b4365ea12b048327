import {
  ApiException,
  type ConfigurationOptions,
  CoreV1Api,
  createConfiguration,
  PatchStrategy,
  ServerConfiguration,
  type V1Node,
} from '@kubernetes/client-node';
import { toMergePatch, type NodeAmounts } from './allocatable.ts';
import { describeProblem, type ErrorAnswer, noSuchNode, type Purpose } from './api-problem.ts';
import { readAccess, requestOptions } from './kubernetes-access.ts';
import { writeNodeEvent } from './kubernetes-event.ts';
import { listLabels, watchLabels, WatchRefused } from './kubernetes-labels.ts';
import type { ApiAnswer, ApiProblem, NodeApi, NodeApiOptions, NodeIdentity, OwnNodeApi } from './node-api.ts';

/** Who owns the labels that we apply. */
const fieldManager = 'slicewise-labels';

/**
 * The way to one node by the official client. Costs half a second and some 30 MB to load, so it is imported when it is
 * used, and is a file of its own in the bundle.
 * @throws OperatorError `no-api-access` when nothing says where the API server is or who asks
 */
export function openNodeApi(options: NodeApiOptions): NodeApi & OwnNodeApi {
  const config = readAccess(options.kubeconfig);
  const server = config.getCurrentCluster()?.server ?? '';
  const { nodeName: name } = options;
  const api = new CoreV1Api(
    createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: config },
    }),
  );
  const explain = (thrown: unknown, purpose: Purpose): ApiProblem =>
    describeProblem(toErrorAnswer(thrown), thrown, { ...options, server, purpose });
  const ask = async <T>(
    purpose: Purpose,
    call: (own: (headers?: Readonly<Record<string, string>>) => ConfigurationOptions) => Promise<T>,
    signal: AbortSignal,
  ): Promise<ApiAnswer<T>> => {
    const until = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
    try {
      return { ok: true, value: await call((headers = {}) => requestOptions(headers, until)) };
    } catch (thrown) {
      return { ok: false, problem: explain(thrown, purpose) };
    }
  };
  const mergePatch = { 'Content-Type': PatchStrategy.MergePatch };
  const serverSideApply = { 'Content-Type': PatchStrategy.ServerSideApply };
  return {
    read: (signal) =>
      ask('write-status', async (own) => toAmounts(await api.readNodeStatus({ name }, own())), signal),
    write: (change, signal) =>
      ask(
        'write-status',
        async (own) =>
          toAmounts(await api.patchNodeStatus({ name, body: toMergePatch(change) }, own(mergePatch))),
        signal,
      ),
    identify: (signal) =>
      ask('write-labels', async (own) => toIdentity(await api.readNode({ name }, own())), signal),
    applyLabels: (labels, uid, signal) =>
      ask(
        'write-labels',
        async (own) => {
          const body = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid, labels } };
          await api.patchNode({ name, body, fieldManager }, own(serverSideApply));
          return null;
        },
        signal,
      ),
    async readLabels(signal) {
      const answer = await ask('watch-labels', (own) => listLabels(api, name, own()), signal);
      if (!answer.ok) return answer;
      if (answer.value !== null) return { ok: true, value: answer.value };
      const message = noSuchNode(name, 'its list is empty');
      return { ok: false, problem: { kind: 'no-node', message, retryAfterMs: 0 } };
    },
    async watchLabels(version, see, signal) {
      try {
        await watchLabels(config, name, version, see, signal);
        return null;
      } catch (thrown) {
        return explain(thrown, 'watch-labels');
      }
    },
    async tell(event, signal) {
      const answer = await ask('tell', (own) => writeNodeEvent(api, name, event, own), signal);
      return answer.ok ? null : answer.problem;
    },
    [Symbol.asyncDispose]: () => config[Symbol.asyncDispose](),
  };
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

function toErrorAnswer(thrown: unknown): ErrorAnswer | null {
  if (thrown instanceof ApiException)
    return { code: thrown.code, body: thrown.body as unknown, headers: thrown.headers };
  return thrown instanceof WatchRefused ? { code: thrown.code, body: thrown.body, headers: {} } : null;
}
