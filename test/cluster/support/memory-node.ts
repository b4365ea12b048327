import type { AgentProcess } from '../../../src/simulator/agent-process.ts';
import { writeConfig } from './agent-config.ts';
import { type ClusterNode, openClusterNode } from './cluster-node.ts';
import { memoryResource } from './memory-pods.ts';
import { readAllocatable } from './oracle.ts';
import { patienceMs, waitFor } from './wait.ts';

/** Of a GPU with 32 GiB of which 4 are reserved: what is offered, in MiB. */
export const v100OfferedMiB = 28 * 1024;

/** A node with V100s of 32 GiB. Nothing is offered before an agent is started. */
export async function openV100Node(gpus: number): Promise<ClusterNode> {
  return openClusterNode({ gpus, gpu: { model: 'v100-sxm2-32gb' } });
}

/** Every key of a GPU with 80 units of 1 GiB, as in a scenario file. */
export const gpuOf80 = { model: 'h100-80gb-hbm3', memoryTotalMiB: 80 * 1024, memoryReservedMiB: 0 };

/** The argument that makes an agent of the node offer memory. */
export async function memoryConfig(node: ClusterNode, memory: object = {}): Promise<string> {
  return writeConfig(node, { memory: { enabled: true, ...memory } });
}

/** Starts an agent that offers memory, and waits until it knows what is held. */
export async function startMemoryAgent(node: ClusterNode, memory: object = {}): Promise<AgentProcess> {
  const agent = node.startAgent([await memoryConfig(node, memory)]);
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
  return agent;
}

/** Resolves when the kubelet would give out so many units, those included that are held: sooner than the node's status. */
export async function waitForUsableUnits({ cluster }: ClusterNode, units: number): Promise<void> {
  await waitFor(
    `the kubelet knows ${units} units to give`,
    async () => (await readAllocatable(cluster, memoryResource)).length,
    (count) => count === units,
  );
}
