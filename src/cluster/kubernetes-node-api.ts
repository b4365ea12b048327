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
import { readCondition, readTaints, writeCondition, writeTaints } from './kubernetes-health.ts';
import { readAccess, requestOptions } from './kubernetes-access.ts';
import { writeEvent } from './kubernetes-event.ts';
import { listMeta, watchMeta, WatchRefused } from './kubernetes-meta.ts';
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
  const explain = (thrown: unknown, purpose: Purpose, subject = `node ${name}`): ApiProblem =>
    describeProblem(toErrorAnswer(thrown), thrown, { ...options, subject, server, purpose });
  const ask = async <T>(
    purpose: Purpose,
    call: (own: (headers?: Readonly<Record<string, string>>) => ConfigurationOptions) => Promise<T>,
    signal: AbortSignal,
    subject?: string,
  ): Promise<ApiAnswer<T>> => {
    const until = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
    try {
      return { ok: true, value: await call((headers = {}) => requestOptions(headers, until)) };
    } catch (thrown) {
      return { ok: false, problem: explain(thrown, purpose, subject) };
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
    readCondition: (signal) => ask('write-condition', (own) => readCondition(api, name, own), signal),
    writeCondition: (condition, signal) =>
      ask('write-condition', (own) => nothing(writeCondition(api, name, condition, own)), signal),
    readTaints: (signal) => ask('write-taints', (own) => readTaints(api, name, own), signal),
    writeTaints: (taints, version, signal) =>
      ask('write-taints', (own) => nothing(writeTaints(api, name, taints, version, own)), signal),
    async readMeta(part, signal) {
      const answer = await ask(`read-${part}`, (own) => listMeta(api, name, own()), signal);
      if (!answer.ok) return answer;
      if (answer.value !== null) return { ok: true, value: answer.value };
      const message = noSuchNode(name, 'its list is empty');
      return { ok: false, problem: { kind: 'no-node', message, retryAfterMs: 0 } };
    },
    async watchMeta(part, version, see, signal) {
      try {
        await watchMeta(config, name, version, see, signal);
        return null;
      } catch (thrown) {
        return explain(thrown, `watch-${part}`);
      }
    },
    async tell(event, signal) {
      const { about } = event;
      const answer =
        about.kind === 'node'
          ? await ask('tell', (own) => writeEvent(api, name, event, own), signal)
          : await ask(
              'tell-pod',
              (own) => writeEvent(api, name, event, own),
              signal,
              `pod ${about.namespace}/${about.name}`,
            );
      return answer.ok ? null : answer.problem;
    },
    [Symbol.asyncDispose]: () => config[Symbol.asyncDispose](),
  };
}

async function nothing(done: Promise<void>): Promise<null> {
  await done;
  return null;
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
