import { status, type ServiceError } from '@grpc/grpc-js';
import { join } from 'node:path';
import type { ContainerResponse } from '../../../src/allocation/response.ts';
import type { IdsByContainer, PreferenceRequest } from '../../../src/kubelet/contract.ts';
import { devicePluginService } from '../../../src/kubelet/wire.ts';
import { callOnce } from '../../simulator/call-once.ts';
import type { KubeletNode } from './kubelet-node.ts';

/** The socket of the agent that registered last. */
function pluginSocket(node: KubeletNode): string {
  const endpoint = node.happened('registered').at(-1)?.endpoint;
  if (endpoint === undefined) throw new Error('No agent has registered');
  return join(node.kubelet.devicePluginFolder, endpoint);
}

/** Allocate as anybody with access to the socket can call it, one list of ids for each container. */
function allocate(node: KubeletNode, containers: IdsByContainer): Promise<readonly ContainerResponse[]> {
  return callOnce(pluginSocket(node), devicePluginService.Allocate, containers);
}

/** The answer for one container. */
export async function allocateOne(node: KubeletNode, ids: readonly string[]): Promise<ContainerResponse> {
  const [answer, ...more] = await allocate(node, [ids]);
  if (answer === undefined || more.length > 0) throw new Error('Not one answer for one container');
  return answer;
}

/** Code and text of the error with which Allocate ends; throws when it does not. */
export async function refusal(
  node: KubeletNode,
  containers: IdsByContainer,
): Promise<{ readonly code: string; readonly text: string }> {
  try {
    await allocate(node, containers);
  } catch (thrown) {
    const { code, details } = thrown as ServiceError;
    return { code: status[code], text: details };
  }
  throw new Error('Allocate gave an answer');
}

/** GetPreferredAllocation as anybody with access to the socket can call it. */
export function prefer(node: KubeletNode, requests: readonly PreferenceRequest[]): Promise<IdsByContainer> {
  return callOnce(pluginSocket(node), devicePluginService.GetPreferredAllocation, requests);
}

export function preStart(node: KubeletNode, ids: readonly string[]): Promise<void> {
  return callOnce(pluginSocket(node), devicePluginService.PreStartContainer, ids);
}
