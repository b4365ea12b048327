import {
  CoreV1Api,
  loadAllYaml,
  type KubeConfig,
  type KubernetesObject,
  type KubernetesObjectApi,
  type V1Pod,
  type V1PodSpec,
} from '@kubernetes/client-node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { container } from './pod-spec.ts';
import { Pods } from './pods.ts';

/** The examples of pods and teams. */
export const examplesFolder = join(import.meta.dirname, '../../../deploy/examples');

/** All pods of an example run, on so many different GPUs; some wait for something; some have failed; or all that is not clear yet. */
export type Fate =
  | { readonly gpus: number }
  | { readonly waitsFor: string }
  | { readonly failed: string }
  | { readonly begins: readonly string[] };

/** An example that is in use. Disposing takes all of it away again, and waits until its pods are gone. */
export interface UsedExample extends AsyncDisposable {
  /** As it is now. */
  fate(): Promise<Fate>;
}

/** Makes the objects of an example as they stand, but for an image that is on the node and prints which GPUs it sees. */
export async function useExample(
  { api, config }: { readonly api: KubernetesObjectApi; readonly config: KubeConfig },
  example: string,
  namespace: string,
): Promise<UsedExample> {
  const pods = new Pods(config.makeApiClient(CoreV1Api), config, namespace);
  await using held = new AsyncDisposableStack();
  held.defer(async () => pods.waitUntilGone());
  let count = 0;
  for (const object of await readExample(example)) {
    Object.assign(object, { metadata: Object.assign({}, object.metadata, { namespace }) });
    count += podsOf(object);
    await api.create(object);
    held.defer(async () => void (await api.delete(object)));
  }
  const rest = held.move();
  return {
    fate: async () => fateOf(pods, count),
    [Symbol.asyncDispose]: async () => rest.disposeAsync(),
  };
}

async function readExample(example: string): Promise<readonly KubernetesObject[]> {
  const objects = loadAllYaml(
    await readFile(join(examplesFolder, `${example}.yaml`), 'utf8'),
  ) as KubernetesObject[];
  const { image, imagePullPolicy, command } = container('main', 0);
  for (const object of objects)
    for (const each of podSpecOf(object)?.containers ?? [])
      Object.assign(each, { image, imagePullPolicy, command });
  return objects;
}

function podSpecOf(object: KubernetesObject): V1PodSpec | undefined {
  const { spec } = object as { spec?: V1PodSpec & { template?: { spec?: V1PodSpec } } };
  return object.kind === 'Pod' ? spec : spec?.template?.spec;
}

function podsOf(object: KubernetesObject): number {
  const { spec } = object as { spec?: { replicas?: number } };
  return podSpecOf(object) === undefined ? 0 : (spec?.replicas ?? 1);
}

async function fateOf(pods: Pods, count: number): Promise<Fate> {
  const seen = await pods.list();
  const failed = seen.filter(({ status }) => status?.phase === 'Failed');
  if (failed.length > 0) return { failed: failed.map(({ status }) => status?.message).join('; ') };
  const reasons = new Set(seen.map(waitingFor).filter((reason) => reason !== ''));
  if (reasons.size > 0) return { waitsFor: [...reasons].join(' and ') };
  if (seen.length !== count || seen.some(({ status }) => status?.phase !== 'Running'))
    return { begins: seen.map(({ status }) => status?.phase ?? '') };
  const gpus = await Promise.all(seen.map(async ({ metadata }) => pods.gpusSeenBy(metadata?.name ?? '')));
  return { gpus: new Set(gpus.flat().filter((id) => /^(GPU|MIG)-/.test(id))).size };
}

/** Why the scheduler has no node for a pod, out of "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims …". */
function waitingFor({ status }: V1Pod): string {
  const { status: isScheduled, message = '' } =
    status?.conditions?.find(({ type }) => type === 'PodScheduled') ?? {};
  return isScheduled === 'False' ? (/: 1 (.+?)\.(?: |$)/.exec(message)?.[1] ?? message) : '';
}
