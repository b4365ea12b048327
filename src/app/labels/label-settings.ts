import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { nodeNameOf } from '../settings.ts';

/** Where the node's labels go; an edit of it takes them away from the old place. */
export type LabelPlace = FilePlace | ApiPlace;

export interface FilePlace {
  readonly kind: 'file';
  readonly path: string;
  /** How often it is looked whether the file is still as it was written; `Infinity`: never, and it stays when the agent ends. */
  readonly lookAgainMs: number;
}

export interface ApiPlace {
  readonly kind: 'api';
  readonly nodeName: string;
  readonly kubeconfig: string | null;
  readonly procfsRoot: string;
}

/** `null`: the node is not labelled. */
export function labelPlace(config: Config): LabelPlace | null {
  const {
    labels,
    cluster,
    flags: { gfd, agent },
  } = config;
  switch (labels.output) {
    case 'none':
      return null;
    case 'file':
      return { kind: 'file', path: resolve(gfd.outputFile), lookAgainMs: gfd.sleepIntervalMs };
    case 'api':
      if (!cluster.enabled) return null;
      return {
        kind: 'api',
        nodeName: nodeNameOf(config),
        kubeconfig: cluster.kubeconfig,
        procfsRoot: agent.procfsRoot,
      };
  }
}

/** What labels depend on beside the GPUs; an edit counts at once. */
export interface LabelContent {
  readonly machineTypeFile: string;
  readonly timestamp: boolean;
}

export function labelContent({ flags: { gfd } }: Config): LabelContent {
  return { machineTypeFile: gfd.machineTypeFile, timestamp: !gfd.noTimestamp };
}
