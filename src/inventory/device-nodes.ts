import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A device node as the container runtime is told of it. */
export interface NodePath {
  /** On the host. */
  readonly hostPath: string;
  /** In the container. */
  readonly containerPath: string;
}

/** An IMEX channel of this node. */
interface ImexChannelNode extends NodePath {
  readonly id: number;
}

/** The driver's device nodes. */
export interface DeviceNodes {
  /** Those that exist of `nvidiactl`, `nvidia-uvm`, `nvidia-uvm-tools`, `nvidia-modeset`, in this order. */
  readonly control: readonly NodePath[];
  /** Those that exist of the channels asked for, in the order asked. */
  readonly imexChannels: readonly ImexChannelNode[];
  /** The node of the GPU with this minor number. */
  gpuNode(minor: number): NodePath;
  /** A capability's node by its path in a container: `/dev/nvidia-caps/nvidia-cap12`. */
  capabilityNode(path: string): NodePath;
}

/** True where the path is a character device. */
export type CharacterDeviceProbe = (path: string) => Promise<boolean>;

const controlNodes = [
  '/dev/nvidiactl',
  '/dev/nvidia-uvm',
  '/dev/nvidia-uvm-tools',
  '/dev/nvidia-modeset',
] as const;

/**
 * Looks up the driver's device nodes. A control node exists when it is a character device in our own `/dev` or under the
 * device root; its path on the host is under the device root, as all of the driver's. A channel's path on the host is where it
 * was found, under the device root first.
 * @param devRoot the folder on the host that holds the driver's `dev`: `/`, or the root of a driver container
 * @param isCharacterDevice for tests, which cannot make device nodes
 */
export async function readDeviceNodes(
  devRoot: string,
  imexChannelIds: readonly number[] = [],
  isCharacterDevice: CharacterDeviceProbe = probeCharacterDevice,
): Promise<DeviceNodes> {
  const inDevRoot = (path: string): string => join(devRoot, path);
  const exists = async (path: string): Promise<boolean> =>
    (await isCharacterDevice(path)) ||
    (inDevRoot(path) !== path && (await isCharacterDevice(inDevRoot(path))));
  const toNode = (path: string): NodePath => ({ hostPath: inDevRoot(path), containerPath: path });
  const control = await filterAsync(controlNodes, exists);
  const channels = imexChannelIds.map(async (id): Promise<ImexChannelNode[]> => {
    const containerPath = `/dev/nvidia-caps-imex-channels/channel${id}`;
    const [hostPath] = await filterAsync([inDevRoot(containerPath), containerPath], isCharacterDevice);
    return hostPath === undefined ? [] : [{ id, hostPath, containerPath }];
  });
  return {
    control: control.map(toNode),
    imexChannels: (await Promise.all(channels)).flat(),
    gpuNode: (minor) => toNode(`/dev/nvidia${minor}`),
    capabilityNode: toNode,
  };
}

/** Looks at the path itself. */
export async function probeCharacterDevice(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isCharacterDevice();
  } catch {
    return false;
  }
}

async function filterAsync<T>(values: readonly T[], accepts: (value: T) => Promise<boolean>): Promise<T[]> {
  const accepted = await Promise.all(values.map(accepts));
  return values.filter((_value, at) => accepted[at]);
}
