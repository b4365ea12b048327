import {
  ApiException,
  type ConfigurationOptions,
  type CoreV1Api,
  type CoreV1Event,
  PatchStrategy,
} from '@kubernetes/client-node';
import { createHash } from 'node:crypto';
import type { NodeEvent } from './node-api.ts';

/** Events about what is in no namespace lie here. */
const namespace = 'default';
const component = 'slicewise';
/** What the API server takes of a message (`validation.go` of core/v1 Events). */
const messageMax = 1024;

/**
 * Writes an Event about a node. Its name follows from what it says, so however often the same is said, by however many agents, there is
 * one object, whose time is renewed.
 * @throws ApiException
 */
export async function writeNodeEvent(
  api: CoreV1Api,
  nodeName: string,
  { type, reason, message: whole }: NodeEvent,
  options: (headers?: Readonly<Record<string, string>>) => ConfigurationOptions,
): Promise<void> {
  const message = whole.length > messageMax ? `${whole.slice(0, messageMax - 1)}…` : whole;
  const hash = createHash('sha256').update(`${nodeName}\n${reason}\n${message}`).digest('hex').slice(0, 16);
  // A node's name may be as long as an Event's, so it is not a part of it.
  const name = `slicewise.${hash}`;
  const now = new Date();
  const body: CoreV1Event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    // As the kubelet names a node in its own Events; `kubectl describe node` looks for this.
    involvedObject: { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName },
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
