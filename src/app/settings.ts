import { resolve } from 'node:path';
import type { DeviceListStrategy, ResponseSettings } from '../allocation/response.ts';
import type { Config } from '../config/config.ts';
import type { DriverOptions } from '../inventory/open-driver.ts';
import { OperatorError } from '../lib/errors.ts';

/** What the choice and the opening of the driver depend on; an edit opens the driver anew. */
export type DriverSettings = Omit<DriverOptions, 'self'>;

export function driverSettings({ flags }: Config): DriverSettings {
  const { agent, plugin, deviceDiscoveryStrategy: strategy } = flags;
  if (strategy === 'tegra') throw notBuilt(strategy);
  return {
    strategy,
    scenario: agent.scenario,
    nvmlLibrary: agent.nvmlLibrary,
    nvidiaSmi: agent.nvidiaSmi,
    driverRoot: flags.nvidiaDriverRoot,
    containerDriverRoot: plugin.containerDriverRoot,
    sysfsRoot: agent.sysfsRoot,
    procfsRoot: agent.procfsRoot,
  };
}

/** What a reading of the inventory depends on; an edit counts from the next reading on. */
export interface InventorySettings {
  readonly rescanIntervalMs: number;
  readonly devRoot: string;
  readonly imexChannelIds: readonly number[];
}

export function inventorySettings({ flags, imex }: Config): InventorySettings {
  return {
    rescanIntervalMs: flags.agent.rescanIntervalMs,
    devRoot: flags.nvidiaDevRoot,
    imexChannelIds: imex.channelIDs,
  };
}

/** What the answers depend on; an edit counts for new requests. */
export interface OfferSettings {
  readonly response: ResponseSettings;
  readonly imexRequired: boolean;
}

export function offerSettings({ flags, imex }: Config): OfferSettings {
  const { plugin } = flags;
  return {
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

/** Where the kubelet is; an edit registers anew. Paths are made absolute, as gRPC needs them. */
export interface ServingSettings {
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
}

export function servingSettings({ flags: { agent } }: Config): ServingSettings {
  return {
    kubeletSocket: resolve(agent.kubeletSocket),
    podResourcesSocket: resolve(agent.podResourcesSocket),
  };
}

/** The config refuses what is not built, so this is a second bolt, not the door. */
function builtStrategy(strategy: string): DeviceListStrategy {
  if (strategy === 'envvar' || strategy === 'volume-mounts') return strategy;
  throw notBuilt(strategy);
}

function notBuilt(word: string): OperatorError {
  return new OperatorError('not-in-this-version', `${word} is not in this version yet`);
}
