import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { cdiFeatures } from '../allocation/cdi/cdi-plan.ts';
import type { Fit } from '../allocation/promise.ts';
import type { SharedDevicesPolicy } from '../allocation/preferred/preferred-shares.ts';
import type { ResponseSettings } from '../allocation/response.ts';
import type { DescribeOptions } from '../cdi/describe-node.ts';
import type { Config } from '../config/config.ts';
import type { HealthRules } from '../health/facts.ts';
import type { DriverOptions } from '../inventory/open-driver.ts';
import { OperatorError } from '../lib/errors.ts';
import { statusFolder } from '../status/status-socket.ts';
import type { MemorySettings } from '../resources/memory-units.ts';
import type { ResourceSettings } from '../resources/resource-settings.ts';

/** What the choice and the opening of the driver depend on; an edit opens the driver anew. */
export type DriverSettings = Omit<DriverOptions, 'self'>;

export function driverSettings({ flags, health }: Config): DriverSettings {
  const { agent, plugin, deviceDiscoveryStrategy: strategy } = flags;
  // The config refuses what is not built, so this is a second bolt, not the door.
  if (strategy === 'tegra')
    throw new OperatorError('not-in-this-version', `${strategy} is not in this version yet`);
  return {
    strategy,
    scenario: agent.scenario,
    nvmlLibrary: agent.nvmlLibrary,
    nvidiaSmi: agent.nvidiaSmi,
    driverRoot: flags.nvidiaDriverRoot,
    containerDriverRoot: plugin.containerDriverRoot,
    sysfsRoot: agent.sysfsRoot,
    procfsRoot: agent.procfsRoot,
    kernelLog: health.kernelLog ? '/dev/kmsg' : null,
  };
}

/** What a reading of the inventory depends on; an edit counts from the next reading on. */
export interface InventorySettings {
  readonly rescanIntervalMs: number;
  readonly devRoot: string;
  readonly imexChannelIds: readonly number[];
  /** Where the kernel says which GPUs the PCI bus has; `null` where the GPUs are simulated. */
  readonly pciSysfsRoot: string | null;
}

export function inventorySettings(config: Config): InventorySettings {
  const { flags, imex } = config;
  const { strategy, scenario } = driverSettings(config);
  const areSimulated = strategy === 'simulated' || (strategy === 'auto' && scenario !== null);
  return {
    rescanIntervalMs: flags.agent.rescanIntervalMs,
    devRoot: flags.nvidiaDevRoot,
    imexChannelIds: imex.channelIDs,
    pciSysfsRoot: areSimulated ? null : flags.agent.sysfsRoot,
  };
}

/** What is made of what the driver tells; an edit counts for what is told from then on. */
export function healthRules({ health: { xids, disabled, enabled } }: Config): HealthRules {
  return {
    xids: {
      file: xids,
      disabled: { all: disabled.allXids, xids: disabled.xids },
      enabled: { all: enabled.allXids, xids: enabled.xids },
    },
    signsCount: !disabled.all || enabled.all,
  };
}

/** What the answers depend on; an edit counts for new requests. */
export interface OfferSettings {
  readonly response: ResponseSettings;
  readonly resources: ResourceSettings;
  readonly memory: MemoryTermsSettings;
  readonly sharedDevicesPolicy: SharedDevicesPolicy;
  readonly imexRequired: boolean;
}

/** How GPU memory is offered. */
export interface MemoryTermsSettings extends Omit<MemorySettings, 'timeSliced'> {
  readonly enabled: boolean;
  /** `null`: as much as the largest GPU has. */
  readonly maxPerContainerMiB: number | null;
  readonly fit: Fit;
  readonly releaseDelayMs: number;
  /** Whether containers are given the variables by which frameworks limit themselves. */
  readonly frameworkEnv: boolean;
}

/** How containers are given devices by CDI name. */
export interface CdiSettings extends Omit<DescribeOptions, 'seenAt'> {
  /** Whether an answer has CDI names at all. */
  readonly inUse: boolean;
  readonly containerDriverRoot: string;
}

/** What answers depend on together with what container runtimes know; an edit counts once runtimes know the new. */
export interface DescribeSettings {
  readonly offers: OfferSettings;
  readonly cdi: CdiSettings;
  readonly kubeletSocket: string;
}

export function describeSettings(config: Config): DescribeSettings {
  const { flags, imex } = config;
  const { plugin } = flags;
  const { kubeletSocket } = servingSettings(config);
  const response = {
    deviceListStrategies: plugin.deviceListStrategy,
    deviceIdStrategy: plugin.deviceIDStrategy,
    passDeviceSpecs: plugin.passDeviceSpecs,
    imexChannelIds: imex.channelIDs,
    features: { gdrcopy: flags.gdrcopyEnabled, gds: flags.gdsEnabled, mofed: flags.mofedEnabled },
    cdiAnnotationPrefix: plugin.cdiAnnotationPrefix,
  };
  return {
    offers: {
      imexRequired: imex.required,
      sharedDevicesPolicy: plugin.sharedDevicesAllocationPolicy,
      response,
      resources: resourceSettings(config),
      memory: config.memory,
    },
    cdi: cdiSettings(config, response),
    kubeletSocket,
  };
}

/** What turns GPUs into resources. */
export function resourceSettings({ flags, resources, exclude, sharing }: Config): ResourceSettings {
  return {
    migStrategy: flags.migStrategy,
    patterns: resources,
    exclude,
    timeSlicing: sharing.timeSlicing,
  };
}

function cdiSettings({ flags, cdi }: Config, response: ResponseSettings): CdiSettings {
  const { plugin, agent } = flags;
  return {
    inUse: response.deviceListStrategies.some((strategy) => strategy.startsWith('cdi-')),
    names: cdi.spec,
    deviceIdStrategy: response.deviceIdStrategy,
    containerDriverRoot: plugin.containerDriverRoot,
    onHost: flags.nvidiaDriverRoot,
    devRoot: flags.nvidiaDevRoot,
    sysfsRoot: agent.sysfsRoot,
    cdiRoot: resolve(agent.cdiRoot),
    features: cdiFeatures.filter((feature) => response.features[feature]),
    hookProgram: plugin.nvidiaCTKPath,
    disabledHooks: cdi.disableHooks,
    explicitLibraries: cdi.featureFlags.includes('enable-explicit-driver-libraries'),
    sockets: !cdi.featureFlags.includes('disable-ipc-discoverer'),
  };
}

/** Where the node's status is written ahead of the kubelet. */
export interface FastStatusSettings {
  readonly nodeName: string;
  readonly kubeconfig: string | null;
  readonly podResourcesSocket: string;
  readonly procfsRoot: string;
}

/** The node's name at the API server. */
export function nodeNameOf({ cluster }: Config): string {
  return cluster.nodeName ?? hostname().toLowerCase();
}

/** `null`: it is not written. */
export function fastStatusSettings(config: Config): FastStatusSettings | null {
  const {
    cluster,
    flags: { agent },
  } = config;
  if (!cluster.enabled || !cluster.fastStatus) return null;
  return {
    nodeName: nodeNameOf(config),
    kubeconfig: cluster.kubeconfig,
    podResourcesSocket: resolve(agent.podResourcesSocket),
    procfsRoot: agent.procfsRoot,
  };
}

/** Where the kubelet is, and what outlives the agent; an edit registers anew. Paths are made absolute, as gRPC needs them. */
export interface ServingSettings {
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
  readonly stateDir: string;
  readonly procfsRoot: string;
}

export function servingSettings({ flags: { agent } }: Config): ServingSettings {
  return {
    kubeletSocket: resolve(agent.kubeletSocket),
    podResourcesSocket: resolve(agent.podResourcesSocket),
    stateDir: resolve(agent.stateDir),
    procfsRoot: agent.procfsRoot,
  };
}

/** The folder of the sockets that `slicewise status` is answered on. */
export function statusSettings({ flags: { agent } }: Config): string {
  return statusFolder(resolve(agent.stateDir));
}
