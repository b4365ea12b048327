import { parseHealthChecks } from './health-checks.ts';
import type { SettingValues } from './settings.ts';

/**
 * The effective configuration: the file's shape with every default filled in. Durations are milliseconds and their names
 * end in `Ms`, amounts of memory MiB (`MiB`); `nvidiaDevRoot` is never empty. Frozen all through.
 */
export type Config = DeepReadonly<ReturnType<typeof arrange>>;

/** Arranges the values of all settings as the file does. */
export function toConfig(values: SettingValues): Config {
  return deepFreeze(arrange(values));
}

function arrange(values: SettingValues) {
  return {
    version: values.version,
    flags: {
      migStrategy: values['flags.migStrategy'],
      failOnInitError: values['flags.failOnInitError'],
      nvidiaDriverRoot: values['flags.nvidiaDriverRoot'],
      nvidiaDevRoot: values['flags.nvidiaDevRoot'] || values['flags.nvidiaDriverRoot'],
      gdrcopyEnabled: values['flags.gdrcopyEnabled'],
      gdsEnabled: values['flags.gdsEnabled'],
      mofedEnabled: values['flags.mofedEnabled'],
      mpsRoot: values['flags.mpsRoot'],
      deviceDiscoveryStrategy: values['flags.deviceDiscoveryStrategy'],
      useNodeFeatureAPI: values['flags.useNodeFeatureAPI'],
      plugin: {
        passDeviceSpecs: values['flags.plugin.passDeviceSpecs'],
        deviceListStrategy: values['flags.plugin.deviceListStrategy'],
        deviceIDStrategy: values['flags.plugin.deviceIDStrategy'],
        cdiAnnotationPrefix: values['flags.plugin.cdiAnnotationPrefix'],
        nvidiaCTKPath: values['flags.plugin.nvidiaCTKPath'],
        containerDriverRoot: values['flags.plugin.containerDriverRoot'],
        sharedDevicesAllocationPolicy: values['flags.plugin.sharedDevicesAllocationPolicy'],
      },
      gfd: {
        oneshot: values['flags.gfd.oneshot'],
        noTimestamp: values['flags.gfd.noTimestamp'],
        sleepIntervalMs: values['flags.gfd.sleepInterval'],
        outputFile: values['flags.gfd.outputFile'],
        machineTypeFile: values['flags.gfd.machineTypeFile'],
      },
      agent: {
        kubeletSocket: values['flags.agent.kubeletSocket'],
        scenario: values['flags.agent.scenario'],
        nvmlLibrary: values['flags.agent.nvmlLibrary'],
        nvidiaSmi: values['flags.agent.nvidiaSmi'],
        podResourcesSocket: values['flags.agent.podResourcesSocket'],
        stateDir: values['flags.agent.stateDir'],
        cdiRoot: values['flags.agent.cdiRoot'],
        sysfsRoot: values['flags.agent.sysfsRoot'],
        procfsRoot: values['flags.agent.procfsRoot'],
        httpAddress: values['flags.agent.httpAddress'],
        logLevel: values['flags.agent.logLevel'],
        rescanIntervalMs: values['flags.agent.rescanInterval'],
      },
    },
    imex: { channelIDs: values['imex.channelIDs'], required: values['imex.required'] },
    sharing: { timeSlicing: values['sharing.timeSlicing'], mps: values['sharing.mps'] },
    resources: { gpus: values['resources.gpus'], mig: values['resources.mig'] },
    memory: {
      enabled: values['memory.enabled'],
      unitMiB: values['memory.unit'],
      reservedPerGpuMiB: values['memory.reservedPerGpu'],
      devices: values['memory.devices'],
      maxPerContainerMiB: values['memory.maxPerContainer'],
      fit: values['memory.fit'],
      override: values['memory.override'],
      frameworkEnv: values['memory.frameworkEnv'],
      releaseDelayMs: values['memory.releaseDelay'],
    },
    health: {
      kernelLog: values['health.kernelLog'],
      xids: values['health.xids'],
      condition: values['health.condition'],
      events: values['health.events'],
      taint: values['health.taint'],
      ackAnnotation: values['health.ackAnnotation'],
      disabled: parseHealthChecks(values.DP_DISABLE_HEALTHCHECKS),
      enabled: parseHealthChecks(values.DP_ENABLE_HEALTHCHECKS),
    },
    exclude: values['exclude'],
    cluster: {
      enabled: values['cluster.enabled'],
      fastStatus: values['cluster.fastStatus'],
      nodeName: values['cluster.nodeName'],
      kubeconfig: values['cluster.kubeconfig'],
    },
    labels: { output: values['labels.output'] },
    cdi: {
      spec: values['cdi.spec'],
      featureFlags: values['--cdi-feature-flags'],
      disableHooks: values['--cdi-disable-hooks'],
    },
  };
}

type DeepReadonly<T> = T extends readonly (infer Element)[]
  ? readonly DeepReadonly<Element>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** Freezes a copy, so that defaults of the table and values of the caller stay as they are. */
function deepFreeze<T>(value: T): DeepReadonly<T> {
  return freeze(structuredClone(value)) as DeepReadonly<T>;
}

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) freeze(part);
    Object.freeze(value);
  }
  return value;
}
