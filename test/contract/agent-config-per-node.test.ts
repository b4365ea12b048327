import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { ApiServer, nodeName, type WrittenEvent } from '../support/api-server.ts';
import { parsePrometheusText } from './support/prometheus-text.ts';
import { type RunningAgent, startRunningAgent } from './support/running-agent.ts';

const label = 'nvidia.com/device-plugin.config';
const gpus = ['--device-discovery-strategy', 'simulated', '--scenario', 'v100x4'];

/** A config whose only mark is the name of its resource. */
const named = (resource: string): object => ({
  version: 'v1',
  resources: { gpus: [{ pattern: '*', name: resource }] },
});
const configs = { red: named('red'), blue: named('blue') };

/** Puts a ConfigMap's files into `configs` as the kubelet does: a new folder, and one link that is swapped. */
async function mount(folder: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  const root = join(folder, 'configs');
  revision += 1;
  const real = `..2026_${revision}`;
  await mkdir(join(root, real), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(root, real, name), typeof content === 'string' ? content : stringify(content));
    await symlink(`..data/${name}`, join(root, name)).catch(() => undefined);
  }
  await symlink(real, join(root, '..data_tmp'));
  await rename(join(root, '..data_tmp'), join(root, '..data'));
}
let revision = 0;

interface Given {
  readonly files?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  /** `null`: the agent has no way to it. */
  readonly server: ApiServer | null;
}

async function startAgentOf({ files = configs, args = [], server }: Given): Promise<RunningAgent> {
  return startRunningAgent({
    args: (folder) => [
      ...gpus,
      `--config-dir=${join(folder, 'configs')}`,
      `--node-name=${nodeName}`,
      ...(server === null ? [] : [`--kubeconfig=${server.kubeconfig}`]),
      ...args,
    ],
    prepare: (folder) => mount(folder, files),
  });
}

async function openServer(config?: string): Promise<ApiServer> {
  const server = new ApiServer();
  await server.start();
  if (config !== undefined) server.setLabels({ [label]: config, 'kubernetes.io/os': 'linux' });
  return server;
}

/** Resolves when all GPUs are offered under the name. */
async function waitForConfig(node: RunningAgent, name: string): Promise<void> {
  await node.kubelet.waitForAllocatable(`nvidia.com/${name}`, 4, 45_000);
}

async function configInfo(node: RunningAgent, config: string): Promise<number | undefined> {
  const { body } = await node.get('/metrics');
  return parsePrometheusText(body).value('slicewise_config_info', { config });
}

/** Resolves with the newest Event when it is so. */
async function waitForEvent(
  node: RunningAgent,
  server: ApiServer,
  accepts: (event: WrittenEvent) => boolean,
): Promise<WrittenEvent> {
  const newest = await node.poll(
    () => [...server.events.values()].at(-1),
    (event) => event !== undefined && accepts(event),
    'the newest Event is the one',
  );
  if (newest === undefined) throw new Error('there is no Event');
  return newest;
}

describe('the config of a node', () => {
  test('is the one that its label names, and another one when the label changes', async () => {
    const server = await openServer('red');
    await using node = await startAgentOf({ server });
    await waitForConfig(node, 'red');
    await node.waitForReadyz(200, [`config 'red' is in force: the node's label ${label} names it`]);
    expect(await configInfo(node, 'red')).toBe(1);
    server.setLabels({ [label]: 'blue' });
    await waitForConfig(node, 'blue');
    await node.waitForReadyz(200, [`config 'blue' is in force`]);
    expect(await configInfo(node, 'blue')).toBe(1);
    expect(await configInfo(node, 'red')).toBeUndefined();
    const event = await waitForEvent(node, server, ({ message }) => message.includes("'blue'"));
    expect(event).toMatchObject({
      type: 'Normal',
      reason: 'ConfigApplied',
      involvedObject: { kind: 'Node', name: nodeName },
    });
    expect(node.logged('slicewise agent starts')).toHaveLength(1);
    expect(await node.stop()).toBe(0);
  });
});
