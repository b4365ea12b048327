import type { V1Container, V1DaemonSet, V1SecurityContext, V1Volume } from '@kubernetes/client-node';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SelfProgram } from '../../../src/simulator/agent-process.ts';
import type { Cluster } from '../node/cluster.ts';
import { node } from '../node/layout.ts';
import type { AgentImage } from './agent-image-files.ts';
import { daemonSet, renderInstalled, where } from './rendered-chart.ts';

/** How an agent is started as the chart's container, and what its environment is. */
export interface AgentContainer {
  readonly program: SelfProgram;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Makes ready what starts agents in their image with the mounts, the environment and the rights that the chart gives them, as processes of
 * the caller, so that a test can stop, kill and replace them at will. The system's folder for temporary files is mounted too: tests keep
 * theirs there.
 * @param folder is made
 */
export async function makeAgentContainer(
  cluster: Cluster,
  image: AgentImage,
  folder: string,
  values: object = {},
): Promise<AgentContainer> {
  const { supervisor, programs } = cluster;
  const { container, volumes } = await renderAgent(cluster, values);
  const scratch = join(folder, 'scratch');
  await mkdir(scratch, { recursive: true });
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }) => {
    const from = volumes.find((volume) => volume.name === name)?.hostPath;
    if (from === undefined) throw new Error(`Here only hostPath volumes can be mounted, and ${name} is none`);
    return { source: from.path, target: mountPath, readOnly, create: from.type === 'DirectoryOrCreate' };
  });
  const told = {
    rootfs: image.rootfs,
    scratch,
    mounts: [...mounts, { source: tmpdir(), target: tmpdir() }],
    // What the chart mounts elsewhere is not to be found by its path on the host.
    hidden: mounts.map(({ source }) => source).filter((source) => source.startsWith(`${tmpdir()}/`)),
    command: image.entrypoint,
  };
  const file = join(folder, 'container.json');
  await writeFile(file, JSON.stringify(told));
  const [executable, ...options] = supervisor.inside([programs.path('supervisor'), 'box']);
  return { program: { executable, options, script: file }, env: { ...image.env, ...envOf(container) } };
}

const rendered = new Map<string, Promise<V1DaemonSet>>();

async function renderAgent(
  cluster: Cluster,
  values: object,
): Promise<{ readonly container: V1Container; readonly volumes: readonly V1Volume[] }> {
  const key = JSON.stringify(values);
  const known = rendered.get(key) ?? renderInstalled(values, where, cluster).then(daemonSet);
  rendered.set(key, known);
  known.catch(() => rendered.delete(key));
  const { containers, volumes = [] } = (await known).spec?.template.spec ?? { containers: [] };
  const [container] = containers;
  if (container?.args?.join() !== 'agent')
    throw new Error('The first container of the chart is not the agent');
  if (!isBareRoot(container.securityContext))
    throw new Error('Here an agent is root without any rights, and this chart has it otherwise');
  return { container, volumes };
}

function isBareRoot(context: V1SecurityContext = {}): boolean {
  const { runAsUser, allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = context;
  return (
    runAsUser === 0 &&
    allowPrivilegeEscalation === false &&
    readOnlyRootFilesystem === true &&
    capabilities?.drop?.join() === 'ALL' &&
    capabilities.add === undefined
  );
}

function envOf({ env = [] }: V1Container): Readonly<Record<string, string>> {
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => {
      if (valueFrom === undefined) return [name, value ?? ''];
      if (valueFrom.fieldRef?.fieldPath !== 'spec.nodeName') throw new Error(`Where is ${name} from?`);
      return [name, node.name];
    }),
  );
}
