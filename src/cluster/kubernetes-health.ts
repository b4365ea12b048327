import {
  type ConfigurationOptions,
  type CoreV1Api,
  PatchStrategy,
  type V1Node,
} from '@kubernetes/client-node';
import { conditionType } from './health-condition.ts';
import type { Taint } from './health-taint.ts';
import type { ConditionSeen, NodeIdentity, TaintsSeen } from './node-api.ts';

/** Options of one request, with these headers. */
type Own = (headers?: Readonly<Record<string, string>>) => ConfigurationOptions;

/**
 * Our condition of a node.
 * @throws ApiException
 */
export async function readCondition(
  api: CoreV1Api,
  name: string,
  own: Own,
): Promise<NodeIdentity & { readonly condition: ConditionSeen | null }> {
  const node = await api.readNodeStatus({ name }, own());
  const found = node.status?.conditions?.find(({ type }) => type === conditionType);
  if (found === undefined) return { ...toIdentity(node), condition: null };
  const { status, reason = '', message = '', lastTransitionTime } = found;
  const since = lastTransitionTime === undefined ? null : toText(lastTransitionTime);
  return { ...toIdentity(node), condition: { status, reason, message, lastTransitionTime: since } };
}

/**
 * Puts our condition in place or takes it away (`null`). A strategic merge finds it by its type and leaves all others alone.
 * @throws ApiException
 */
export async function writeCondition(
  api: CoreV1Api,
  name: string,
  condition: ConditionSeen | null,
  own: Own,
): Promise<void> {
  const now = toText(new Date());
  const entry =
    condition === null
      ? { type: conditionType, $patch: 'delete' }
      : {
          ...condition,
          type: conditionType,
          lastHeartbeatTime: now,
          lastTransitionTime: condition.lastTransitionTime ?? now,
        };
  const body = { status: { conditions: [entry] } };
  await api.patchNodeStatus({ name, body }, own({ 'Content-Type': PatchStrategy.StrategicMergePatch }));
}

/**
 * All taints of a node.
 * @throws ApiException
 */
export async function readTaints(api: CoreV1Api, name: string, own: Own): Promise<TaintsSeen> {
  const node = await api.readNode({ name }, own());
  const version = node.metadata?.resourceVersion ?? '';
  const taints = (node.spec?.taints ?? []).map(({ timeAdded, ...taint }) => ({
    ...taint,
    ...(timeAdded !== undefined && { timeAdded: toText(timeAdded) }),
  }));
  return { ...toIdentity(node), taints, version };
}

/**
 * Puts a node's taints in place of those that it had at that version; a conflict when it is another one by now.
 * @throws ApiException
 */
export async function writeTaints(
  api: CoreV1Api,
  name: string,
  taints: readonly Taint[],
  version: string,
  own: Own,
): Promise<void> {
  const body = { metadata: { resourceVersion: version }, spec: { taints } };
  await api.patchNode({ name, body }, own({ 'Content-Type': PatchStrategy.MergePatch }));
}

function toIdentity({ metadata, status }: V1Node): NodeIdentity {
  return { uid: metadata?.uid ?? '', bootId: status?.nodeInfo?.bootID ?? null };
}

/** As the API server writes times of objects: whole seconds. */
function toText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
