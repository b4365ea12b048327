import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { MigStrategy } from '../../resources/resource-settings.ts';
import { nodeNameOf } from '../settings.ts';

/** What the cluster is told of the health of GPUs, and where. */
export interface TellingSettings {
  readonly condition: boolean;
  readonly events: boolean;
  readonly taint: boolean;
  readonly ackAnnotation: boolean;
  readonly migStrategy: MigStrategy;
  readonly nodeName: string;
  readonly kubeconfig: string | null;
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
  readonly stateDir: string;
  readonly procfsRoot: string;
}

/** `null`: it is told nothing. */
export function tellingSettings(config: Config): TellingSettings | null {
  const {
    cluster,
    health: { condition, events, taint, ackAnnotation },
    flags: { agent, migStrategy },
  } = config;
  if (!cluster.enabled || !(condition || events || taint || ackAnnotation)) return null;
  return {
    condition,
    events,
    taint,
    ackAnnotation,
    migStrategy,
    nodeName: nodeNameOf(config),
    kubeconfig: cluster.kubeconfig,
    kubeletSocket: resolve(agent.kubeletSocket),
    podResourcesSocket: resolve(agent.podResourcesSocket),
    stateDir: resolve(agent.stateDir),
    procfsRoot: agent.procfsRoot,
  };
}
