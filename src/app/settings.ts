import { resolve } from 'node:path';
import { cdiFeatures } from '../allocation/cdi-plan.ts';
import type { Config } from '../config/config.ts';
import type { CdiSettings } from './describe-readings.ts';
import type { NodeSettings } from './run-node.ts';

/** What one run of the node takes from the config. Socket paths are made absolute, as gRPC needs them. */
export function nodeSettings(config: Config): NodeSettings {
  const { flags, imex } = config;
  const { plugin, agent } = flags;
  return {
    kubeletSocket: resolve(agent.kubeletSocket),
    podResourcesSocket: resolve(agent.podResourcesSocket),
    rescanIntervalMs: agent.rescanIntervalMs,
    devRoot: flags.nvidiaDevRoot,
    imexRequired: imex.required,
    response: {
      deviceListStrategies: plugin.deviceListStrategy,
      deviceIdStrategy: plugin.deviceIDStrategy,
      passDeviceSpecs: plugin.passDeviceSpecs,
      imexChannelIds: imex.channelIDs,
      features: features(config),
      cdiAnnotationPrefix: plugin.cdiAnnotationPrefix,
    },
    cdi: cdiSettings(config),
  };
}

function features({ flags }: Config) {
  return { gdrcopy: flags.gdrcopyEnabled, gds: flags.gdsEnabled, mofed: flags.mofedEnabled };
}

function cdiSettings(config: Config): CdiSettings {
  const { flags, cdi } = config;
  const { plugin, agent } = flags;
  const wanted = features(config);
  return {
    inUse: plugin.deviceListStrategy.some((strategy) => strategy.startsWith('cdi-')),
    names: cdi.spec,
    deviceIdStrategy: plugin.deviceIDStrategy,
    containerDriverRoot: plugin.containerDriverRoot,
    onHost: flags.nvidiaDriverRoot,
    devRoot: flags.nvidiaDevRoot,
    sysfsRoot: agent.sysfsRoot,
    cdiRoot: resolve(agent.cdiRoot),
    features: cdiFeatures.filter((feature) => wanted[feature]),
    hookProgram: plugin.nvidiaCTKPath,
    disabledHooks: cdi.disableHooks,
    explicitLibraries: cdi.featureFlags.includes('enable-explicit-driver-libraries'),
    sockets: !cdi.featureFlags.includes('disable-ipc-discoverer'),
  };
}
