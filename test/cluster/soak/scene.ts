import type { AgentProcess } from '../../../src/simulator/agent-process.ts';
import type { ClusterNode } from '../support/cluster-node.ts';
import { memoryResource } from '../support/memory-pods.ts';
import { type CheckpointEntry, readAllocatable, readCheckpoint } from '../support/oracle.ts';
import { waitFor } from '../support/wait.ts';
import type { Agents } from './agents.ts';
import { gpusOfEntry, gpusWithMemory } from './bookings.ts';
import type { Disturbances } from './disturbances.ts';
import type { KnownPod, Violation } from './observation.ts';
import type { Plan, RestartStep } from './plan.ts';
import type { PodWatch } from './pod-watch.ts';
import type { Suspects } from './suspects.ts';

/** All that the steps act on, and what they leave behind. */
export interface Scene {
  readonly node: ClusterNode;
  readonly watch: PodWatch;
  readonly agents: Agents;
  readonly disturbances: Disturbances;
  /** Every pod that was ever made, by uid. */
  readonly known: Map<string, KnownPod>;
  readonly uids: Map<string, string>;
  readonly violations: Violation[];
  readonly suspects: Suspects;
  /** Milliseconds until all GPUs could be given out again, by what was restarted. */
  readonly availableMs: Record<RestartStep['kind'], number[]>;
  plan: Plan;
  serving: AgentProcess;
  /** Until then, of `performance.now()`, the kubelet may be admitting a pod that the API server no longer has. */
  restlessUntilMs: number;
}

/** UUIDs of the GPUs that are well by what was planned. */
export function wellGpus({ gpus }: ClusterNode, plan: Plan): readonly string[] {
  return gpus.ids.filter((_id, gpu) => plan.gpus[gpu] === 'present');
}

/**
 * Resolves when the kubelet would give out the GPUs that are well, and no others: each is given whole, or memory of it is held now or was
 * held a moment ago, or the agent may withhold it.
 */
export async function waitUntilUsable({ node, suspects }: Scene, plan: Plan): Promise<void> {
  const well = wellGpus(node, plan);
  const withMemory = new Set<string>();
  await waitFor(
    `the kubelet can give out ${well.length} GPUs, whole or by memory`,
    async () => {
      const checkpoint = await readCheckpoint(node.cluster);
      for (const gpu of gpusWithMemory(checkpoint)) withMemory.add(gpu);
      const units = await readAllocatable(node.cluster, memoryResource);
      const whole = await node.usable();
      suspects.areUsable(whole);
      return { whole, units: new Set(units), checkpoint };
    },
    ({ whole, units, checkpoint }) =>
      whole.every((gpu) => well.includes(gpu)) &&
      well.every(
        (gpu) => whole.includes(gpu) || withMemory.has(gpu) || isWithheld(gpu, suspects, checkpoint),
      ) &&
      heldUnits(checkpoint, well).every((id) => units.has(id)),
  );
}

/** A GPU that a container has is never withheld. */
export function isWithheld(gpu: string, suspects: Suspects, checkpoint: readonly CheckpointEntry[]): boolean {
  return suspects.gpus.has(gpu) && !checkpoint.some((entry) => gpusOfEntry(entry).includes(gpu));
}

/** Ids of the units that are written down for these GPUs alone. */
function heldUnits(checkpoint: readonly CheckpointEntry[], gpus: readonly string[]): readonly string[] {
  const ids = checkpoint
    .filter(({ resource }) => resource === memoryResource)
    .map((entry) => ({ entry, isHere: gpusOfEntry(entry).every((gpu) => gpus.includes(gpu)) }));
  const elsewhere = new Set(ids.flatMap(({ entry, isHere }) => (isHere ? [] : entry.ids)));
  return ids.flatMap(({ entry }) => entry.ids).filter((id) => !elsewhere.has(id));
}
