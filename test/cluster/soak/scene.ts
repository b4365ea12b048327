import type { AgentProcess } from '../../../src/simulator/agent-process.ts';
import type { ClusterNode } from '../support/cluster-node.ts';
import { waitFor } from '../support/wait.ts';
import type { Agents } from './agents.ts';
import type { Disturbances } from './disturbances.ts';
import type { KnownPod, Violation } from './observation.ts';
import type { Plan, RestartStep } from './plan.ts';
import type { PodWatch } from './pod-watch.ts';

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
  /** Milliseconds until all GPUs could be given out again, by what was restarted. */
  readonly availableMs: Record<RestartStep['kind'], number[]>;
  plan: Plan;
  serving: AgentProcess;
  /** Until then, of `performance.now()`, the kubelet may be admitting a pod that the API server no longer has. */
  restlessUntilMs: number;
}

/** Resolves when the kubelet would give out the GPUs that are well, and no others. */
export async function waitUntilUsable({ node }: Scene, plan: Plan): Promise<void> {
  const well = node.gpus.ids.filter((_id, gpu) => plan.gpus[gpu] === 'present').toSorted();
  await waitFor(
    `the kubelet can give out ${well.length} GPUs`,
    () => node.usable(),
    (ids) => ids.join() === well.join(),
  );
}
