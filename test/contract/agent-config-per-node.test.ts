import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { ApiServer, nodeName, refusal, type WrittenEvent } from '../support/api-server.ts';
import { parsePrometheusText } from './support/prometheus-text.ts';
import { type RunningAgent, startRunningAgent } from './support/running-agent.ts';

const label = 'nvidia.com/device-plugin.config';
const gpus = ['--device-discovery-strategy', 'simulated', '--scenario', 'v100x4'];

/** Each color is a config that containers can be told by: the variable that they get. */
const colors = {
  red: { gdrcopyEnabled: true },
  blue: { gdsEnabled: true },
  green: { mofedEnabled: true },
  violet: { gdrcopyEnabled: true, gdsEnabled: true },
};
type Color = keyof typeof colors;
const variables = {
  NVIDIA_GDRCOPY: 'gdrcopyEnabled',
  NVIDIA_GDS: 'gdsEnabled',
  NVIDIA_MOFED: 'mofedEnabled',
};
const colored = (color: Color): object => ({ version: 'v1', flags: colors[color] });
const configs = { red: colored('red'), blue: colored('blue') };

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

/** Resolves when containers get GPUs by the config of this color. */
async function waitForConfig(node: RunningAgent, color: Color): Promise<void> {
  const wanted = Object.entries(variables).filter(([, flag]) => flag in colors[color]);
  await node.poll(
    async () => {
      const pod = await node.admit('for-a-moment', 1);
      const envs = node.kubelet.holdings().find((each) => each.pod.name === pod.name)?.response.envs ?? {};
      node.kubelet.remove(pod);
      return Object.keys(envs).filter((name) => name in variables);
    },
    (given) => given.join() === wanted.map(([name]) => name).join(),
    `containers get their GPUs by ${color}`,
  );
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

  test('follows the content of the ConfigMap: good, nonsense, gone', async () => {
    const server = await openServer('red');
    await using node = await startAgentOf({ server });
    await waitForConfig(node, 'red');
    await mount(node.folder, { ...configs, red: colored('violet') });
    await waitForConfig(node, 'violet');

    await mount(node.folder, { ...configs, red: 'version: [' });
    await node.waitForReadyz(503, ['config: ', 'configs/red:1:']);
    const event = await waitForEvent(node, server, ({ reason }) => reason === 'ConfigRefused');
    expect(event.message).toMatch(/^config 'red' is refused, the last good config stays in force: .*no YAML/);
    expect(event.type).toBe('Warning');
    await waitForConfig(node, 'violet');

    await mount(node.folder, configs);
    await waitForConfig(node, 'red');
    await node.waitForReadyz(200, ["config 'red' is in force"]);

    await rm(node.path('configs/red'));
    await node.waitForReadyz(503, [
      "the node's label names 'red', and there is no such config",
      "there are: 'blue'",
    ]);
    await waitForConfig(node, 'red');
    expect(await configInfo(node, 'red')).toBe(1);
    await node.poll(
      () => [...server.events.values()].some(({ message }) => message.includes("there are: 'blue'")),
      (told) => told,
      'an Event says that the file is gone',
    );
  });

  test('waits for one that the label names and that is not there', async () => {
    const server = await openServer('green');
    await using node = await startAgentOf({ server, args: ['--default-config=red'] });
    await node.waitForReadyz(503, ["names 'green', and there is no such config; there are: 'blue', 'red'"]);
    const refused = await waitForEvent(node, server, ({ reason }) => reason === 'ConfigRefused');
    expect(refused.message).toContain('nothing is advertised until it is mended');
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
    await mount(node.folder, { ...configs, green: colored('green') });
    await waitForConfig(node, 'green');
    server.setLabels({ [label]: '../configs/red' });
    await node.waitForReadyz(503, ["names '../configs/red', and there is no such config"]);
    await waitForConfig(node, 'green');
    server.setLabels({});
    await waitForConfig(node, 'red');
    await node.waitForReadyz(200, [`the node has no label ${label}, and it is the default`]);
  });

  test('may not set what quotas count by', async () => {
    const server = await openServer('red');
    const files = { ...configs, red: { ...colored('red'), memory: { unit: '2Gi', maxPerContainer: '8Gi' } } };
    await using node = await startAgentOf({ server, files });
    await node.waitForReadyz(503, [
      'memory.unit: it has to be the same on all nodes',
      '--memory-unit, SLICEWISE_MEMORY_UNIT',
      'memory.maxPerContainer: it has to be the same on all nodes',
    ]);
    await mount(node.folder, configs);
    await waitForConfig(node, 'red');
  });
});

describe('the API server', () => {
  test('refuses: the default counts, what is missing is said once, and the label counts when it may be read', async () => {
    const server = await openServer('blue');
    server.fault = refusal(403, 'nodes is forbidden: User "x" cannot list resource "nodes"');
    await using node = await startAgentOf({ server, args: ['--default-config', 'red'] });
    await waitForConfig(node, 'red');
    await node.waitForReadyz(200, [
      `config 'red' is in force: the node's label ${label} is not known, and it is the default`,
      'the verbs list and watch on nodes, as in deploy/config-per-node',
    ]);
    await node.poll(
      () => server.asked.filter(({ path }) => path.startsWith('/api/v1/nodes')).length,
      (count) => count > 2,
      'the label is asked for again',
    );
    expect(node.logged("the node's label cannot be read")).toHaveLength(1);
    server.fault = null;
    await waitForConfig(node, 'blue');
  });

  test('is away: without a default nothing is advertised; later what the label said last counts, over a restart too', async () => {
    const server = await openServer('blue');
    server.stop();
    await using node = await startAgentOf({ server });
    await node.waitForReadyz(503, [
      "the node's label names no config, there is no default one",
      `the label ${label} cannot be read`,
      'ECONNREFUSED',
    ]);
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
    await server.listen();
    await waitForConfig(node, 'blue');
    server.stop();
    await node.waitForReadyz(200, ["config 'blue' is in force", 'and what it said last counts']);
    // An edit counts all the same.
    await mount(node.folder, { ...configs, blue: colored('violet') });
    await waitForConfig(node, 'violet');

    expect(await node.stop()).toBe(0);
    node.startAgent();
    await node.waitForReadyz(200, ["config 'blue' is in force", 'and what it said last counts']);
    await waitForConfig(node, 'violet');
    await server.listen();
    server.setLabels({ [label]: 'red' });
    await waitForConfig(node, 'red');
    expect(await node.stop()).toBe(0);
  });

  test.each(['in good order', 'as outdated'] as const)(
    'ends the watch %s: it is watched anew',
    async (how) => {
      const server = await openServer('red');
      await using node = await startAgentOf({ server });
      await waitForConfig(node, 'red');
      await node.poll(
        () => server.watches,
        (count) => count === 1,
        'the node is watched',
      );
      server.endWatches(how);
      await node.poll(
        () => server.watches,
        (count) => count === 0,
        'the watch has ended',
      );
      await node.poll(
        () => server.watches,
        (count) => count === 1,
        'the node is watched again',
      );
      server.setLabels({ [label]: 'blue' });
      await waitForConfig(node, 'blue');
      expect(node.agent.log.filter(({ level }) => level === 'warn')).toEqual([]);
    },
  );

  test('lets the label be read and not be watched: it is said once, and the label counts, only later', async () => {
    const server = await openServer('red');
    server.watchFault = { code: 403, body: '{}' };
    await using node = await startAgentOf({ server });
    await waitForConfig(node, 'red');
    await node.waitForReadyz(200, [
      `the label ${label} is read again and again, so that an edit counts up to 30 s late: `,
      'does not let the agent watch the labels of node',
      'HTTP 403: Forbidden',
      'it needs a ClusterRole with the verb watch on nodes',
    ]);
    server.setLabels({ [label]: 'blue' });
    await waitForConfig(node, 'blue');
    const { body } = await node.waitForReadyz(200, ["config 'blue' is in force", 'HTTP 403']);
    expect(body).not.toContain('cannot be read');
    expect(node.logged("the node's label cannot be read")).toEqual([]);
    expect(node.logged("the node's label is read again and again")).toHaveLength(1);
    expect(node.logged("the node's label is followed")).toHaveLength(1);
  });

  test('cannot be found: it is said what is missing, and the fallbacks count', async () => {
    await using node = await startAgentOf({
      server: null,
      args: ['--fallback-strategies=named,single'],
      files: { only: colored('green') },
    });
    await waitForConfig(node, 'green');
    await node.waitForReadyz(200, ['(fallback strategy single)', 'automountServiceAccountToken: true']);
  });

  test('is not asked where no label is to be read', async () => {
    const server = await openServer('red');
    await using node = await startAgentOf({ server, args: ['--node-label=', '--default-config=blue'] });
    await waitForConfig(node, 'blue');
    await node.waitForReadyz(200, ["config 'blue' is in force: no label is read, and it is the default"]);
    expect(server.asked).toEqual([]);
  });
});
