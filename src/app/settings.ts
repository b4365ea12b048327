import { resolve } from 'node:path';
import type { DeviceListStrategy } from '../allocation/response.ts';
import type { Config } from '../config/config.ts';
import { OperatorError } from '../lib/errors.ts';
import type { NodeSettings } from './run-node.ts';

/** What one run of the node takes from the config. Socket paths are made absolute, as gRPC needs them. */
export function nodeSettings({ flags, imex }: Config): NodeSettings {
  const { plugin, agent } = flags;
  return {
    kubeletSocket: resolve(agent.kubeletSocket),
    podResourcesSocket: resolve(agent.podResourcesSocket),
    rescanIntervalMs: agent.rescanIntervalMs,
    devRoot: flags.nvidiaDevRoot,
    imexRequired: imex.required,
    response: {
      deviceListStrategies: plugin.deviceListStrategy.map(builtStrategy),
      deviceIdStrategy: plugin.deviceIDStrategy,
      passDeviceSpecs: plugin.passDeviceSpecs,
      imexChannelIds: imex.channelIDs,
      features: { gdrcopy: flags.gdrcopyEnabled, gds: flags.gdsEnabled, mofed: flags.mofedEnabled },
    },
  };
}

/** The config refuses what is not built, so this is a second bolt, not the door. */
function builtStrategy(strategy: string): DeviceListStrategy {
  if (strategy === 'envvar' || strategy === 'volume-mounts') return strategy;
  throw new OperatorError('not-in-this-version', `${strategy} is not in this version yet`);
}
