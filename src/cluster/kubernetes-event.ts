import {
  ApiException,
  type ConfigurationOptions,
  type CoreV1Api,
  type CoreV1Event,
  PatchStrategy,
  type V1ObjectReference,
} from '@kubernetes/client-node';
import { createHash } from 'node:crypto';
import type { ClusterEvent, EventSubject } from './node-api.ts';

/** Events about what is in no namespace lie here. */
const nodeNamespace = 'default';
const component = 'slicewise';
/** What the API server takes of a message (`validation.go` of core/v1 Events). */
const messageMax = 1024;

/**
 * Writes an Event about a node or a pod on it. Its name follows from what it says, so however often the same is said, by however many agents, there is
 * one object, whose time is renewed.
 * @throws ApiException
 */
export async function writeEvent(
  api: CoreV1Api,
  nodeName: string,
  { about, type, reason, message: whole }: ClusterEvent,
  options: (headers?: Readonly<Record<string, string>>) => ConfigurationOptions,
): Promise<void> {
  const message = whole.length > messageMax ? `${whole.slice(0, messageMax - 1)}…` : whole;
  const hash = createHash('sha256')
    .update(`${idOf(about, nodeName)}\n${reason}\n${message}`)
    .digest('hex')
    .slice(0, 16);
  const namespace = about.kind === 'node' ? nodeNamespace : about.namespace;
  // A node's name may be as long as an Event's, so it is not a part of it.
  const name = `slicewise.${hash}`;
  const now = new Date();
  const body: CoreV1Event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: toReference(about, nodeName),
    type,
    reason,
    message,
    source: { component, host: nodeName },
    reportingComponent: component,
    reportingInstance: nodeName,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
  try {
    await api.createNamespacedEvent({ namespace, body }, options());
  } catch (thrown) {
    if (!(thrown instanceof ApiException) || thrown.code !== 409) throw thrown;
    await api.patchNamespacedEvent(
      { name, namespace, body: { lastTimestamp: now.toISOString() } },
      options({ 'Content-Type': PatchStrategy.MergePatch }),
    );
  }
}

/** What `kubectl describe` looks for: of a node the name that the kubelet uses for its uid in its own Events, of a pod its uid. */
function toReference(about: EventSubject, nodeName: string): V1ObjectReference {
  if (about.kind === 'node') return { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
  const { namespace, name, uid } = about;
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
}

function idOf(about: EventSubject, nodeName: string): string {
  return about.kind === 'node' ? nodeName : about.uid;
}
