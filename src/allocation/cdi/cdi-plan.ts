import type { DeviceNodes, NodePath } from '../../inventory/device-nodes.ts';
import type { Gpu, MigInstance } from '../../inventory/gpu.ts';
import { driverHooks, linkHook, type HookSettings } from './cdi-hooks.ts';
import { isDeviceName, ownKind, qualify, type CdiClass, type CdiNames } from './cdi-names.ts';
import { makeSpec, type CdiDeviceNode, type CdiMount, type CdiSpec } from './cdi-spec.ts';
import { libraryFolders, type DriverFiles, type HostFile, type SymbolicLink } from './driver-files.ts';
import type { DeviceIdStrategy } from '../response.ts';

/** Additions that a container is given as a whole. */
export const cdiFeatures = ['gdrcopy', 'gds', 'mofed'] as const satisfies readonly CdiClass[];
export type CdiFeature = (typeof cdiFeatures)[number];

/** What the node has of a GPU beside its own device node: those of the display, and the links to them. */
export interface DisplayNodes {
  readonly nodes: readonly NodePath[];
  readonly links: readonly SymbolicLink[];
}

export interface FeatureFiles {
  readonly nodes: readonly NodePath[];
  readonly mounts: readonly HostFile[];
}

/** Everything that the specs are made from. */
export interface CdiPlanInput {
  readonly gpus: readonly Pick<Gpu, 'uuid' | 'index' | 'minor' | 'migInstances'>[];
  readonly deviceIdStrategy: DeviceIdStrategy;
  readonly nodes: DeviceNodes;
  readonly driver: DriverFiles;
  /** By the GPU's UUID. */
  readonly display: ReadonlyMap<string, DisplayNodes>;
  /** Those that are asked for. */
  readonly features: ReadonlyMap<CdiFeature, FeatureFiles>;
  readonly hooks: HookSettings;
}

export interface CdiPlan {
  /** One for each class that has a device. */
  readonly specs: ReadonlyMap<CdiClass, CdiSpec>;
  readonly names: CdiNames;
  /** Why a GPU or a MIG instance has no name, by its UUID. */
  readonly faults: ReadonlyMap<string, string>;
}

/** Describes the node to container runtimes. Equal input gives an equal plan. */
export function planCdi(input: CdiPlanInput): CdiPlan {
  const { nodes, hooks, driver } = input;
  const named = nameDevices(input);
  const gpuDevices = named.devices.map(({ name, gpu, mig, minor }) => {
    // Of MIG instances only those with graphics reach the display.
    const hasDisplay = mig === null || mig.profile.includes('+gfx');
    const found = hasDisplay ? input.display.get(gpu.uuid) : undefined;
    const { nodes: display, links } = found ?? { nodes: [], links: [] };
    const capabilities = (mig?.capabilityNodes ?? []).map((path) => nodes.capabilityNode(path));
    const deviceNodes = [nodes.gpuNode(minor), ...capabilities, ...display].map(toDeviceNode);
    return { name, containerEdits: { deviceNodes, hooks: linkHook(hooks, links) } };
  });
  const channels = nodes.imexChannels.map((channel) => ({
    name: String(channel.id),
    containerEdits: { deviceNodes: [toDeviceNode(channel)] },
  }));
  const folders = libraryFolders(driver);
  const common = {
    env: [
      // The NVIDIA container runtime, if it sees the container as well, must not add what the image asks for.
      'NVIDIA_VISIBLE_DEVICES=void',
      ...(folders.length > 0 ? [`NVIDIA_CTK_LIBCUDA_DIR=${folders.join(':')}`] : []),
    ],
    deviceNodes: nodes.control.map(toDeviceNode),
    mounts: [
      ...[...driver.libraries, ...driver.others].map((file) => toMount(file, fileOptions)),
      ...driver.sockets.map((file) => toMount(file, socketOptions)),
    ],
    hooks: driverHooks(hooks, driver),
  };
  const features = [...input.features].flatMap(([feature, files]) => {
    const containerEdits = {
      deviceNodes: files.nodes.map(toDeviceNode),
      mounts: files.mounts.map((file) => toMount(file, fileOptions)),
    };
    return files.nodes.length > 0 ? [[feature, [{ name: 'all', containerEdits }], {}] as const] : [];
  });
  const specs = [['gpu', gpuDevices, common] as const, ['imex-channel', channels, {}] as const, ...features]
    .filter(([, devices]) => devices.length > 0)
    .map(([cdiClass, devices, edits]) => [cdiClass, makeSpec(ownKind(cdiClass), devices, edits)] as const);
  return {
    specs: new Map(specs),
    names: {
      gpus: new Map(named.devices.map(({ name, uuid }) => [uuid, qualify(ownKind('gpu'), name)])),
      others: specs
        .filter(([cdiClass]) => cdiClass !== 'gpu')
        .flatMap(([, { kind, devices }]) => devices.map(({ name }) => qualify(kind, name))),
    },
    faults: named.faults,
  };
}

interface NamedDevice {
  readonly name: string;
  readonly uuid: string;
  readonly gpu: CdiPlanInput['gpus'][number];
  readonly mig: MigInstance | null;
  readonly minor: number;
}

/** GPUs and their MIG instances by name, in order of index; those that cannot be described, with the reason. */
function nameDevices({ gpus, deviceIdStrategy }: CdiPlanInput) {
  const faults = new Map<string, string>();
  const uuids = new Set<string>();
  const named = new Map<string, NamedDevice>();
  const byIndex = gpus.toSorted((one, other) => one.index - other.index);
  const devices = byIndex.flatMap((gpu) => [
    { gpu, mig: null, uuid: gpu.uuid, index: String(gpu.index) },
    ...gpu.migInstances.map((mig, at) => ({ gpu, mig, uuid: mig.uuid, index: `${gpu.index}:${at}` })),
  ]);
  for (const { index, ...device } of devices) {
    const { gpu, mig, uuid } = device;
    const name = deviceIdStrategy === 'index' ? index : uuid;
    if (gpu.minor === null)
      faults.set(uuid, 'no CDI device: the driver does not say which /dev/nvidia<N> it is');
    else if (mig?.capabilityNodes.length === 0)
      faults.set(uuid, 'no CDI device: the driver does not say which nodes of /dev/nvidia-caps belong to it');
    else if (!isDeviceName(name)) faults.set(uuid, 'no CDI device: its id has signs that CDI does not take');
    else if (named.has(name) || uuids.has(uuid))
      faults.set(uuid, 'no CDI device: another one has the same name');
    else named.set(name, { ...device, name, minor: gpu.minor });
    uuids.add(uuid);
  }
  return { devices: [...named.values()], faults };
}

function toDeviceNode({ hostPath, containerPath }: NodePath): CdiDeviceNode {
  return {
    path: containerPath,
    ...(hostPath !== containerPath && { hostPath }),
    permissions: 'rw',
  };
}

const fileOptions = ['ro', 'nosuid', 'nodev', 'rbind', 'rprivate'];
const socketOptions = ['nosuid', 'nodev', 'rbind', 'rprivate', 'noexec'];

function toMount({ hostPath, containerPath }: HostFile, options: readonly string[]): CdiMount {
  return { hostPath, containerPath, options };
}
