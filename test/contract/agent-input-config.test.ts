import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { parsePrometheusText } from './support/prometheus-text.ts';
import { type RunningAgent, startRunningAgent } from './support/running-agent.ts';

const gpus = ['--device-discovery-strategy', 'simulated', '--scenario', 'v100x4'];
const args = (folder: string): readonly string[] => [...gpus, '--config-file', join(folder, 'config.yaml')];

const envvar = { version: 'v1', flags: { plugin: { deviceListStrategy: 'envvar' } } };
const volumeMounts = { version: 'v1', flags: { plugin: { deviceListStrategy: 'volume-mounts' } } };
/** Three errors. */
const wrong = { version: 'v1', flags: { migStrategy: 'x', plugin: { deviceListStrategy: 'nope', foo: 1 } } };
const refused = 'the config file is refused';

async function configValid(node: RunningAgent): Promise<number | undefined> {
  const { body } = await node.get('/metrics');
  return parsePrometheusText(body).value('slicewise_config_valid');
}

/** How the newest container was told of its GPUs. */
function handedOver(node: RunningAgent, pod: string): 'by variable' | 'by mounts' | 'not at all' {
  const response = node.kubelet.holdings().find((each) => each.pod.name === pod)?.response;
  if ((response?.mounts.length ?? 0) > 0) return 'by mounts';
  return response?.envs['NVIDIA_VISIBLE_DEVICES'] === undefined ? 'not at all' : 'by variable';
}

/** The same of a pod that is put on the node for a moment. */
async function handedToOneMore(node: RunningAgent): Promise<ReturnType<typeof handedOver>> {
  const pod = await node.admit('for-a-moment', 1);
  const how = handedOver(node, pod.name);
  node.kubelet.remove(pod);
  return how;
}

describe('the config file', () => {
  test('wrong at the start: up, not ready, nothing advertised, all errors said once; taken when mended', async () => {
    await using node = await startRunningAgent({ args, files: { 'config.yaml': wrong } });
    const path = node.path('config.yaml');
    const line = await node.waitForLog(refused);
    expect(line).toMatchObject({
      level: 'error',
      msg: 'the config file is refused: nothing is advertised until it is mended',
      problems: [
        `${path}:3:16: flags.migStrategy: 'x' is not allowed; allowed: none, single, mixed`,
        expect.stringMatching(
          /:5:25: flags\.plugin\.deviceListStrategy: 'nope' is not allowed; allowed: one/,
        ),
        expect.stringMatching(/:6:5: flags\.plugin\.foo: there is no such key; known here: /),
      ],
    });
    await node.waitForReadyz(503, ['config: ', 'migStrategy', 'deviceListStrategy', 'plugin.foo']);
    expect((await node.get('/livez')).status).toBe(200);
    expect(await configValid(node)).toBe(0);

    // The same file again, and one with other errors, change nothing but what is said.
    await node.write('config.yaml', wrong);
    await node.write('config.yaml', 'version: [');
    await node.poll(
      () => node.logged(refused).length,
      (count) => count === 2,
      'the second refusal is logged',
    );
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);

    await node.write('config.yaml', volumeMounts);
    await node.waitForGpus(4);
    await node.waitForReadyz(200);
    expect(await configValid(node)).toBe(1);
    expect((await node.admit('pod', 1)).phase).toBe('Running');
    expect(handedOver(node, 'pod')).toBe('by mounts');
    await vi.waitFor(() => expect(node.logged(refused)).toHaveLength(2), 5000);
  });

  test('wrong while running: the last good one stays in force and /readyz and the metric say so', async () => {
    await using node = await startRunningAgent({ args, files: { 'config.yaml': volumeMounts } });
    await node.waitForGpus(4);
    const before = node.kubelet.events.length;
    await node.write('config.yaml', wrong);
    expect(await node.waitForLog(refused)).toMatchObject({
      msg: 'the config file is refused: the last good config stays in force',
    });
    await node.waitForReadyz(503, ['config: ', 'migStrategy']);
    expect(await configValid(node)).toBe(0);
    expect((await node.admit('pod', 1)).phase).toBe('Running');
    expect(handedOver(node, 'pod')).toBe('by mounts');
    await node.write('config.yaml', volumeMounts);
    await node.waitForReadyz(200);
    expect(await configValid(node)).toBe(1);
    // Mended to what is in force: no reason to register anew.
    const kinds = node.kubelet.events.slice(before).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'registering' || kind === 'stream-ended')).toEqual([]);
  });

  test('changed to another good one: taken up by the same process, running pods keep their GPUs', async () => {
    await using node = await startRunningAgent({ args, files: { 'config.yaml': envvar } });
    await node.waitForGpus(4);
    await node.admit('early', 2);
    const early = node.kubelet.holdings();
    expect(handedOver(node, 'early')).toBe('by variable');
    await node.write('config.yaml', volumeMounts);
    await node.poll(
      () => handedToOneMore(node),
      (how) => how === 'by mounts',
      'GPUs are handed over by mounts',
    );
    await node.waitForGpus(4);
    expect((await node.admit('late', 2)).phase).toBe('Running');
    expect(handedOver(node, 'late')).toBe('by mounts');
    expect(node.kubelet.holdings()[0]).toEqual(early[0]);
    expect(node.kubelet.duplicates()).toEqual([]);
    expect(node.kubelet.violations).toEqual([]);
    await vi.waitFor(() => expect(node.logged('slicewise agent starts')).toHaveLength(1), 5000);
    expect((await node.admit('too-many', 1)).message).toContain('Requested: 1, Available: 0');
    expect(await node.stop()).toBe(0);
  });

  test('missing at the start: said once, not ready; taken when it appears', async () => {
    await using node = await startRunningAgent({ args });
    await node.waitForReadyz(503, ['config: cannot read the config file', node.path('config.yaml')]);
    await node.write('config.yaml', envvar);
    await node.waitForGpus(4);
    await node.waitForReadyz(200);
    await vi.waitFor(() => expect(node.logged(refused)).toHaveLength(1), 5000);
  });

  test("a ConfigMap's swap of links is seen, in the folder of the file and not of its target", async () => {
    const put = async (folder: string, revision: string, content: object): Promise<void> => {
      await mkdir(join(folder, revision));
      await writeFile(join(folder, revision, 'config.yaml'), JSON.stringify(content));
      await symlink(revision, join(folder, '..data.new'));
      await rename(join(folder, '..data.new'), join(folder, '..data'));
    };
    await using node = await startRunningAgent({
      args,
      prepare: async (folder) => {
        await put(folder, '..2026_01', wrong);
        await symlink('..data/config.yaml', join(folder, 'config.yaml'));
      },
    });
    await node.waitForReadyz(503, ['migStrategy']);
    await put(node.folder, '..2026_02', envvar);
    await node.waitForGpus(4);
    await put(node.folder, '..2026_03', wrong);
    await node.waitForReadyz(503, ['migStrategy']);
    await vi.waitFor(() => expect(node.logged(refused)).toHaveLength(2), 5000);
  });

  test('a flag counts before the file, also when the file changes', async () => {
    await using node = await startRunningAgent({
      args: (folder) => [...args(folder), '--device-list-strategy', 'envvar'],
      files: { 'config.yaml': volumeMounts },
    });
    await node.waitForGpus(4);
    await node.admit('pod', 1);
    expect(handedOver(node, 'pod')).toBe('by variable');
  });
});
