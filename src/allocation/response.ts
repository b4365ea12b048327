import type { DeviceNodes, NodePath } from '../inventory/device-nodes.ts';
import { hardwareIndex, hardwareUuid, type PlannedDevice } from '../resources/planned-device.ts';
import type { CdiNames } from './cdi/cdi-names.ts';
import { encodeRecord, recordAnnotation, recordedGpu } from './record.ts';

/** What the container runtime is told to add to one container, in the terms of the device plugin API. */
export interface ContainerResponse {
  readonly envs: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly devices: readonly DeviceNode[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Fully qualified CDI names: `vendor/class=name`. */
  readonly cdiDevices: readonly string[];
}

export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
}

export interface DeviceNode {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Any of `r`, `w`, `m`. */
  readonly permissions: string;
}

/** How a device is made known: the first two to the NVIDIA container runtime, the others to any runtime that knows CDI. */
export type DeviceListStrategy = 'envvar' | 'volume-mounts' | 'cdi-annotations' | 'cdi-cri';

/** What a container's devices are called towards the NVIDIA container runtime. */
export type DeviceIdStrategy = 'uuid' | 'index';

/** The settings that shape an answer. */
export interface ResponseSettings {
  readonly deviceListStrategies: readonly DeviceListStrategy[];
  readonly deviceIdStrategy: DeviceIdStrategy;
  readonly passDeviceSpecs: boolean;
  readonly imexChannelIds: readonly number[];
  readonly features: Readonly<Record<'gdrcopy' | 'gds' | 'mofed', boolean>>;
  /** For the annotation of `cdi-annotations`; ends in a slash as a rule. */
  readonly cdiAnnotationPrefix: string;
}

/** What CDI devices are called in one answer. */
export interface CdiRequest {
  readonly names: CdiNames;
  /** Sets this answer's annotation apart from those of other containers: a UUID. */
  readonly id: string;
}

/** True when nothing but CDI names tells a runtime of the devices. */
export function isCdiOnly(strategies: readonly DeviceListStrategy[]): boolean {
  return strategies.every((strategy) => strategy === 'cdi-annotations' || strategy === 'cdi-cri');
}

/** Folder that the NVIDIA container runtime reads a container's devices from, as names of mounts. */
const deviceListFolder = '/var/run/nvidia-container-devices';

/**
 * The answer for one container, with its devices in the given order; a GPU or MIG instance of which it gets several time slices is
 * named once. Equal input gives an equal answer.
 * @param cdi `null` where no strategy goes by CDI names
 */
export function buildResponse(
  granted: readonly PlannedDevice[],
  settings: ResponseSettings,
  nodes: DeviceNodes,
  cdi: CdiRequest | null,
): ContainerResponse {
  const devices = [...new Map(granted.map((device) => [hardwareUuid(device), device])).values()];
  const nameOf = settings.deviceIdStrategy === 'index' ? hardwareIndex : hardwareUuid;
  const ids = devices.map((device) => nameOf(device));
  const channels = nodes.imexChannels.map(({ id }) => String(id));
  const strategies = new Set(settings.deviceListStrategies);
  const cdiNames = cdi === null ? [] : cdiList(devices, cdi.names);
  return {
    envs: {
      ...(strategies.has('envvar') && envvarList(ids, channels)),
      ...(strategies.has('volume-mounts') && { NVIDIA_VISIBLE_DEVICES: deviceListFolder }),
      ...(settings.features.gdrcopy && { NVIDIA_GDRCOPY: 'enabled' }),
      ...(settings.features.gds && { NVIDIA_GDS: 'enabled' }),
      ...(settings.features.mofed && { NVIDIA_MOFED: 'enabled' }),
    },
    mounts: strategies.has('volume-mounts') ? volumeMountList(ids, channels) : [],
    // A CDI spec has the nodes already.
    devices:
      settings.passDeviceSpecs && !isCdiOnly(settings.deviceListStrategies)
        ? deviceNodes(devices, nodes)
        : [],
    annotations: {
      ...(cdi !== null &&
        strategies.has('cdi-annotations') && {
          [`${settings.cdiAnnotationPrefix}nvidia-device-plugin_${cdi.id}`]: cdiNames.join(','),
        }),
      [recordAnnotation]: encodeRecord({
        version: 1,
        gpus: devices.map((device) => recordedGpu(device)),
      }),
    },
    cdiDevices: strategies.has('cdi-cri') ? cdiNames : [],
  };
}

/** The names of the devices in order, then of what comes with every GPU. A device is not granted while it has no name. */
function cdiList(devices: readonly PlannedDevice[], names: CdiNames): readonly string[] {
  const gpus = devices.map((device) => {
    const name = names.gpus.get(hardwareUuid(device));
    if (name === undefined) throw new Error(`${device.id} was granted without a CDI name`);
    return name;
  });
  return [...gpus, ...names.others];
}

function envvarList(ids: readonly string[], channels: readonly string[]): Record<string, string> {
  return {
    NVIDIA_VISIBLE_DEVICES: ids.join(','),
    ...(channels.length > 0 && { NVIDIA_IMEX_CHANNELS: channels.join(',') }),
  };
}

/** One mount of /dev/null for each device: the runtime reads the names, and no pod can fake them by an env variable. */
function volumeMountList(ids: readonly string[], channels: readonly string[]): readonly Mount[] {
  const names = [...ids, ...channels.map((channel) => `imex/${channel}`)];
  return names.map((name) => ({
    hostPath: '/dev/null',
    containerPath: `${deviceListFolder}/${name}`,
    readOnly: false,
  }));
}

/** Control nodes, then each device's in order (the GPU's, then those of the MIG instance), then IMEX channels; each node once. */
function deviceNodes(devices: readonly PlannedDevice[], nodes: DeviceNodes): readonly DeviceNode[] {
  const own = devices.flatMap(({ gpu, mig }) => [
    ...(gpu.minor === null ? [] : [nodes.gpuNode(gpu.minor)]),
    ...(mig?.capabilityNodes ?? []).map((path) => nodes.capabilityNode(path)),
  ]);
  const paths: readonly NodePath[] = [...nodes.control, ...own, ...nodes.imexChannels];
  const byContainerPath = new Map(paths.map((path) => [path.containerPath, path]));
  return [...byContainerPath.values()].map(({ hostPath, containerPath }) => ({
    hostPath,
    containerPath,
    permissions: 'rw',
  }));
}
