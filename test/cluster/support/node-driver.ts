import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installDriver, put } from '../../support/driver-root.ts';
import { attachCluster } from '../node/cluster.ts';
import type { ClusterNode } from './cluster-node.ts';
import { clusterState } from './on-cluster.ts';
import type { Pods } from './pods.ts';

/** Version of the driver that the simulated GPUs are said to run. */
export const driverVersion = '580.95.05';

/** Major numbers of NVIDIA's GPUs and of displays, by the kernel's list of devices. */
const majors = { nvidia: 195, display: 226 } as const;

/** Minor number of `/dev/nvidiactl`. */
const controlMinor = 255;

/**
 * A made-up NVIDIA driver on the node: device nodes with nothing behind them, a driver root, and a program for hooks that makes
 * links as the container toolkit's does. Disposing takes it away, and the CDI specs.
 */
export interface NodeDriver extends AsyncDisposable {
  readonly root: string;
  /** Folder of the CDI specs, as this machine sees it. */
  readonly cdiFolder: string;
  /** Of the chart, for agents that find all of it. */
  readonly values: object;
  /** What they need besides. */
  readonly args: readonly string[];
  /** The arguments of each call of the hooks' program so far. */
  hookCalls(): Promise<readonly string[]>;
  /** Runs a shell script on the node. */
  onNode(script: string): Promise<void>;
}

/** What a container has of the driver. */
export interface Sight {
  /** Device nodes below `/dev`, by name, sorted. */
  readonly nodes: readonly string[];
  /** Minor numbers of the GPUs that it may open, also through a node that it makes itself. */
  readonly opens: readonly number[];
  /** Variables of NVIDIA's, sorted. */
  readonly env: readonly string[];
  /** What is mounted below `/usr` and `/lib`, sorted. */
  readonly mounts: readonly string[];
  /** Links below `/usr`, as `path -> target`, sorted. */
  readonly links: readonly string[];
}

/** @param gpus how many GPUs have device nodes; their minor numbers begin with 0 */
export async function installOnNode(gpus: number): Promise<NodeDriver> {
  const { supervisor, paths } = await attachCluster(clusterState() ?? '');
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const [root, hook, hookLog] = ['driver', 'nvidia-cdi-hook', 'hooks.log'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const cdiFolder = join(paths.run, 'cdi');
  const onNode = async (script: string): Promise<void> => {
    const { code, stderr } = await supervisor.run(['sh', '-ec', script]);
    if (code !== 0) throw new Error(`On the node: ${script}\n${stderr}`);
  };
  await installDriver(root, driverVersion);
  await put(root, '/usr/bin/nvidia-smi', '#!/bin/sh\necho made-up\n');
  await writeFile(hook, hookProgram(hookLog));
  await chmod(hook, 0o755);
  const minors = Array.from({ length: gpus }, (_none, minor) => minor);
  for (const minor of minors) {
    const displays = `sys/bus/pci/devices/${displayAddress(minor)}/drm`;
    for (const name of displayNames(minor)) await mkdir(join(folder, displays, name), { recursive: true });
  }
  await onNode(
    [
      'mkdir -p /dev/dri',
      node('nvidiactl', majors.nvidia, controlMinor),
      ...minors.flatMap((minor) => [
        node(`nvidia${minor}`, majors.nvidia, minor),
        node(`dri/card${minor}`, majors.display, minor),
        node(`dri/renderD${128 + minor}`, majors.display, 128 + minor),
      ]),
    ].join('\n'),
  );
  return {
    root,
    cdiFolder,
    values: {
      deviceListStrategy: 'cdi-cri',
      nvidiaDriverRoot: root,
      nvidiaDevRoot: '/',
      cdi: { nvidiaHookPath: hook },
    },
    args: [`--sysfs-root=${join(folder, 'sys')}`, '--cdi-root=/var/run/cdi'],
    async hookCalls() {
      return (await readFile(hookLog, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    },
    onNode,
    async [Symbol.asyncDispose]() {
      await onNode(
        'rm -rf /dev/nvidia* /dev/dri; ! mountpoint -q /run/cdi || umount /run/cdi; rm -rf /run/cdi',
      );
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @param gpus how many GPUs the node has: for each it is tried whether it can be opened */
export async function look(pods: Pods, name: string, gpus: number): Promise<Sight> {
  const minors = Array.from({ length: gpus }, (_none, minor) => minor);
  const say = async (script: string): Promise<readonly string[]> => {
    const { stdout, stderr } = await pods.exec(name, script);
    if (stderr !== '') throw new Error(`${script}: ${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .toSorted();
  };
  const opens = minors.map(async (minor): Promise<readonly number[]> => {
    const path = `/tmp/gpu${minor}`;
    const { stderr } = await pods.exec(
      name,
      `rm -f ${path}; mknod ${path} c ${majors.nvidia} ${minor} && cat ${path}`,
    );
    // No driver stands behind the nodes: what may be opened says so, what may not is refused before.
    if (stderr.includes('No such device or address')) return [minor];
    if (stderr.includes('Operation not permitted')) return [];
    throw new Error(`GPU ${minor}: ${stderr}`);
  });
  return {
    nodes: await say("cd /dev && find . -type c | grep -E 'nvidia|dri/' | cut -c3-"),
    opens: (await Promise.all(opens)).flat(),
    env: await say("env | grep '^NVIDIA_'"),
    mounts: await say("cut -d' ' -f5 /proc/self/mountinfo | grep -E '^/(usr|lib)/'"),
    links: await say('find /usr -type l -exec sh -c \'echo "$1 -> $(readlink "$1")"\' _ {} \\; 2>/dev/null'),
  };
}

/** Minor numbers of the GPUs that a pod's container has, by what the kubelet tells; in order. */
export async function minorsOf(node: ClusterNode, pod: string): Promise<readonly number[]> {
  const held = (await node.holdings())[`${pod}/main`] ?? [];
  return [...node.gpus.ids.entries()].filter(([, id]) => held.includes(id)).map(([minor]) => minor);
}

/** PCI address of a simulated GPU, as the kernel writes it. */
function displayAddress(minor: number): string {
  return `0000:${(0x10 + 2 * minor).toString(16)}:00.0`;
}

function displayNames(minor: number): readonly string[] {
  return [`card${minor}`, `renderD${128 + minor}`];
}

function node(name: string, major: number, minor: number): string {
  return `rm -f /dev/${name}; mknod -m 666 /dev/${name} c ${major} ${minor}`;
}

/** Notes its arguments, and makes the links that it is told of in the container's file system. */
function hookProgram(log: string): string {
  return `#!/bin/sh
rootfs=$(sed -n 's/.*"bundle":"\\([^"]*\\)".*/\\1/p')/rootfs
echo "$*" >> ${log}
[ "$1" = create-symlinks ] || exit 0
while [ $# -gt 0 ]; do
  if [ "$1" = --link ]; then
    path=$rootfs\${2##*::}
    mkdir -p "\${path%/*}" && ln -sf "\${2%%::*}" "$path" || exit 1
  fi
  shift
done
`;
}
