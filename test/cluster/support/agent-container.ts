import { loadAllYaml, type V1Container, type V1DaemonSet, type V1Volume } from '@kubernetes/client-node';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SelfProgram } from '../../../src/simulator/agent-process.ts';
import type { Cluster } from '../node/cluster.ts';
import { node } from '../node/layout.ts';
import type { AgentImage } from './agent-image-files.ts';
import { chart, helmOrThrow } from './helm.ts';

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
  { supervisor, programs }: Cluster,
  image: AgentImage,
  folder: string,
  values: object = {},
): Promise<AgentContainer> {
  const { container, volumes } = await renderAgent(values);
  const scratch = join(folder, 'scratch');
  await mkdir(scratch, { recursive: true });
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }) => {
    const path = volumes.find((volume) => volume.name === name)?.hostPath?.path;
    if (path === undefined) throw new Error(`Here only hostPath volumes can be mounted, and ${name} is none`);
    return { source: path, target: mountPath, readOnly, create: true };
  });
  const told = {
    rootfs: image.rootfs,
    scratch,
    mounts: [...mounts, { source: tmpdir(), target: tmpdir() }],
    command: image.entrypoint,
  };
  const file = join(folder, 'container.json');
  await writeFile(file, JSON.stringify(told));
  const [executable, ...options] = supervisor.inside([programs.path('supervisor'), 'box']);
  return { program: { executable, options, script: file }, env: { ...image.env, ...envOf(container) } };
}

const rendered = new Map<string, Promise<V1DaemonSet>>();

async function renderAgent(
  values: object,
): Promise<{ readonly container: V1Container; readonly volumes: readonly V1Volume[] }> {
  const key = JSON.stringify(values);
  const known = rendered.get(key) ?? renderDaemonSet(values);
  rendered.set(key, known);
  const { containers, volumes = [] } = (await known).spec?.template.spec ?? { containers: [] };
  const [container] = containers;
  if (container?.args?.join() !== 'agent')
    throw new Error('The first container of the chart is not the agent');
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext ?? {};
  if (
    allowPrivilegeEscalation !== false ||
    readOnlyRootFilesystem !== true ||
    capabilities?.drop?.join() !== 'ALL'
  )
    throw new Error('Here an agent has no rights at all, and this chart gives it some');
  return { container, volumes };
}

async function renderDaemonSet(values: object): Promise<V1DaemonSet> {
  const text = await helmOrThrow(['template', 'slicewise', chart, '--namespace', 'gpus'], { values });
  const objects = loadAllYaml(text) as ({ readonly kind?: string } | null)[];
  const found = objects.find((object) => object?.kind === 'DaemonSet');
  if (found === undefined) throw new Error('The chart makes no DaemonSet of these values');
  return found as V1DaemonSet;
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
