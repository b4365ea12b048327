import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { PickInputs } from '../../config/pick-config.ts';
import type { SettingValues } from '../../config/settings.ts';
import { nodeNameOf } from '../settings.ts';

/** Where the config of this node is picked from, and how. */
export interface PerNodeConfig extends Omit<PickInputs, 'names' | 'label'> {
  readonly folder: string;
  /** The label's name; `null`: none is read, and the API server is not asked. */
  readonly label: string | null;
  readonly nodeName: string;
  readonly kubeconfig: string | null;
  readonly stateDir: string;
}

/** `null`: all nodes have the same config. From flags and variables alone, as no file is known before. */
export function perNodeConfig(values: SettingValues, config: Config): PerNodeConfig | null {
  const folder = values['--config-dir'];
  if (folder === null) return null;
  return {
    folder: resolve(folder),
    label: values['--node-label'] || null,
    defaultConfig: values['--default-config'],
    fallbacks: values['--fallback-strategies'],
    nodeName: nodeNameOf(config),
    kubeconfig: config.cluster.kubeconfig,
    stateDir: resolve(config.flags.agent.stateDir),
  };
}
