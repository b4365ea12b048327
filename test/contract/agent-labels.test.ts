import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ApiServer, nodeName, refusal } from '../support/api-server.ts';
import { openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';
import { tellsNothing } from './support/tells-nothing.ts';

const count = 'nvidia.com/gpu.count';
const replicas = 'nvidia.com/gpu.replicas';

async function waitUntil(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await test())) {
    if (performance.now() > end) throw new Error(`still not: ${what}`);
    await delay(20);
  }
}

/** The feature file as labels; `null` where it is not there. */
async function readLabels(path: string): Promise<Readonly<Record<string, string>> | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  return Object.fromEntries(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  );
}

function fileArgs(path: string): readonly string[] {
  return ['--labels-output=file', `--output-file=${path}`, '--sleep-interval=200ms'];
}

describe('labels.output file', () => {
  it('writes a whole file, mends it, keeps a lost GPU in it, and removes it at the end', async () => {
    await using node = await openKubeletNode();
    const path = join(node.folder, 'features.d/gfd');
    const agent = await node.startServingAgent(fileArgs(path));
    await waitUntil('labelled', async () => (await readLabels(path)) !== null);
    const first = await readFile(path, 'utf8');
    expect(await readLabels(path)).toMatchObject({ [count]: '4', 'nvidia.com/gpu.product': 'Tesla-T4' });
    expect(first.split('\n').slice(0, -1)).toEqual(first.split('\n').slice(0, -1).toSorted());
    expect((await stat(path)).mode & 0o777).toBe(0o644);
    await writeFile(path, 'nvidia.com/gpu.count=7\n');
    await waitUntil('mended', async () => (await readFile(path, 'utf8')) === first);
    await rm(path);
    await waitUntil('there again', async () => (await readLabels(path)) !== null);
    await node.setGpu(0, 'lost');
    await node.waitForStatus({ 'nvidia.com/gpu': '3/4' });
    expect(await readFile(path, 'utf8')).toBe(first);
    await node.setGpu(3, 'absent');
    await waitUntil('one less', async () => (await readLabels(path))?.[count] === '3');
    agent.signal('SIGTERM');
    expect((await agent.exit).code).toBe(0);
    expect(await readdir(join(node.folder, 'features.d'))).toEqual([]);
  });

  it('leaves the time out where it should, follows an edit, and takes the file away when labelling is switched off', async () => {
    await using node = await openKubeletNode();
    const path = join(node.folder, 'gfd');
    const flags = { gfd: { noTimestamp: true, outputFile: path } };
    const labels = { output: 'file' };
    const resources = [{ name: 'nvidia.com/gpu', replicas: 2 }];
    const file = await node.writeConfig({ version: 'v1', flags, labels });
    const agent = await node.startServingAgent([`--config-file=${file}`]);
    await waitUntil('labelled', async () => (await readLabels(path))?.[replicas] === '1');
    expect(await readLabels(path)).not.toHaveProperty(['nvidia.com/gfd.timestamp']);
    await node.writeConfig({ version: 'v1', flags, labels, sharing: { timeSlicing: { resources } } });
    await waitUntil('shared', async () => (await readLabels(path))?.[replicas] === '2');
    await node.writeConfig({ version: 'v1', flags });
    await waitUntil('removed', async () => (await readLabels(path)) === null);
    expect(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('is without a gap while another agent takes over, and that one removes it in the end', async () => {
    await using node = await openKubeletNode();
    const path = join(node.folder, 'gfd');
    const first = await node.startServingAgent(fileArgs(path));
    await waitUntil('labelled', async () => (await readLabels(path)) !== null);
    const second = await node.startStandby(fileArgs(path));
    await first.waitForLog(({ msg }) => msg.includes('ready to take over'), patienceMs);
    let seen = 0;
    const end = new AbortController();
    const watch = (async () => {
      while (!end.signal.aborted) {
        await access(path);
        seen += 1;
        await delay(1);
      }
    })();
    first.signal('SIGTERM');
    expect((await first.exit).code).toBe(0);
    await second.waitForLog(({ msg }) => msg === 'the node is labelled', patienceMs);
    end.abort();
    await watch;
    expect(seen).toBeGreaterThan(10);
    second.signal('SIGTERM');
    expect((await second.exit).code).toBe(0);
    expect(await readLabels(path)).toBeNull();
  });

  it('is not written by an agent that stands by, until that one serves', async () => {
    await using node = await openKubeletNode();
    const [own, ofStandby] = [join(node.folder, 'own'), join(node.folder, 'of-standby')];
    const first = await node.startServingAgent(fileArgs(own));
    await node.startStandby(fileArgs(ofStandby));
    await node.setGpu(3, 'absent');
    await waitUntil('one less', async () => (await readLabels(own))?.[count] === '3');
    await delay(1000);
    expect(await readLabels(ofStandby)).toBeNull();
    first.signal('SIGTERM');
    await waitUntil('taken over', async () => (await readLabels(ofStandby))?.[count] === '3');
  });

  it('stays at the end with an infinite pause, and so does what somebody else wrote', async () => {
    await using node = await openKubeletNode();
    const path = join(node.folder, 'gfd');
    const infinite = [...fileArgs(path).slice(0, 2), '--sleep-interval=infinite'];
    const agent = await node.startServingAgent(infinite);
    await waitUntil('labelled', async () => (await readLabels(path)) !== null);
    agent.signal('SIGTERM');
    await agent.exit;
    expect((await readLabels(path))?.[count]).toBe('4');

    const second = await node.startServingAgent([...fileArgs(path).slice(0, 2), '--sleep-interval=1h']);
    await second.waitForLog(({ msg }) => msg === 'the node is labelled', patienceMs);
    await writeFile(path, 'mine=1\n');
    second.signal('SIGTERM');
    await second.exit;
    expect(await readFile(path, 'utf8')).toBe('mine=1\n');
  });

  it('costs nothing but itself where the folder cannot be had, and says so once', async () => {
    await using node = await openKubeletNode();
    const folder = join(node.folder, 'folder');
    await writeFile(folder, 'a file');
    const agent = await node.startServingAgent(fileArgs(join(folder, 'gfd')));
    const { msg } = await agent.waitForLog((line) => line.msg.includes('cannot be written'), patienceMs);
    expect(msg).toContain('Mount its folder');
    expect(await node.admit('a', 1)).toMatchObject({ phase: 'Running' });
    await rm(folder);
    await mkdir(folder);
    await waitUntil('labelled', async () => (await readLabels(join(folder, 'gfd'))) !== null);
    expect(agent.log.filter((line) => line.msg.includes('cannot be written'))).toHaveLength(1);
  });
});

/** The arguments of an agent that labels the API server's node. */
async function apiArgs(node: KubeletNode, server: ApiServer, enabled = true): Promise<readonly string[]> {
  const file = await node.writeConfig({
    version: 'v1',
    cluster: { enabled },
    labels: { output: 'api' },
    ...tellsNothing,
  });
  // The node is made up, so it has no boot to compare.
  const args = [`--node-name=${nodeName}`, `--kubeconfig=${server.kubeconfig}`];
  return [`--config-file=${file}`, ...args, `--procfs-root=${node.folder}`, '--no-timestamp'];
}

async function openServer(): Promise<ApiServer> {
  const server = new ApiServer();
  await server.start();
  server.labels.set('kubernetes.io/os', { value: 'linux', manager: 'kubelet' });
  return server;
}

/** The labels that a manager has. */
function labelsBy(server: ApiServer, manager: string): readonly string[] {
  return [...server.labels].filter(([, label]) => label.manager === manager).map(([name]) => name);
}

const own = 'slicewise-labels';

describe('labels.output api', () => {
  it('applies the labels when they change, and takes its own away at the end', async () => {
    await using node = await openKubeletNode();
    const server = await openServer();
    const agent = await node.startServingAgent(await apiArgs(node, server));
    await waitUntil('labelled', () => server.labels.get(count)?.value === '4');
    const asked = server.asked.length;
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'PATCH']);
    expect(server.asked[1]).toMatchObject({
      path: `/api/v1/nodes/${nodeName}?fieldManager=slicewise-labels`,
      contentType: 'application/apply-patch+yaml',
    });
    await node.setGpu(1, 'lost');
    await node.waitForStatus({ 'nvidia.com/gpu': '3/4' });
    expect(server.asked).toHaveLength(asked);
    await node.setGpu(1, 'absent');
    await waitUntil('one less', () => server.labels.get(count)?.value === '3');
    expect(server.asked).toHaveLength(asked + 1);
    agent.signal('SIGTERM');
    expect((await agent.exit).code).toBe(0);
    expect([...server.labels.keys()]).toEqual(['kubernetes.io/os']);
  });

  it('leaves the labels alone when another agent takes over', async () => {
    await using node = await openKubeletNode();
    const server = await openServer();
    const args = await apiArgs(node, server);
    const first = await node.startServingAgent(args);
    await waitUntil('labelled', () => server.labels.has(count));
    const second = await node.startStandby(args);
    await first.waitForLog(({ msg }) => msg.includes('ready to take over'), patienceMs);
    const before = server.patches.length;
    expect(before).toBe(1);
    first.signal('SIGTERM');
    await first.exit;
    await second.waitForLog(({ msg }) => msg === 'the node is labelled', patienceMs);
    const applied = server.patches.slice(before) as { readonly metadata: { readonly labels: object } }[];
    expect(applied.map(({ metadata }) => Object.keys(metadata.labels).length > 0)).toEqual([true]);
    expect(labelsBy(server, own)).toContain(count);
  });

  it("leaves what is somebody else's, says whose it may be, and takes nothing of it away", async () => {
    await using node = await openKubeletNode();
    const server = await openServer();
    server.labels.set(count, { value: '99', manager: 'nfd-master' });
    const agent = await node.startServingAgent(await apiArgs(node, server));
    const { msg } = await agent.waitForLog((line) => line.msg.includes("somebody else's"), patienceMs);
    expect(msg).toContain(count);
    await waitUntil('labelled', () => labelsBy(server, own).includes(replicas));
    expect(server.labels.get(count)?.value).toBe('99');
    agent.signal('SIGTERM');
    await agent.exit;
    expect(labelsBy(server, 'nfd-master')).toEqual([count]);
    expect(labelsBy(server, own)).toEqual([]);
  });

  it('says once what is the matter, goes on serving, and labels the node when it can', async () => {
    await using node = await openKubeletNode();
    const server = await openServer();
    server.fault = refusal(403, 'nodes "gpu-1" is forbidden');
    const agent = await node.startServingAgent(await apiArgs(node, server));
    const { msg } = await agent.waitForLog((line) => line.msg.includes('is not labelled'), patienceMs);
    expect(msg).toContain('verbs get and patch on nodes, as in deploy/labels');
    expect(await node.admit('a', 1)).toMatchObject({ phase: 'Running' });
    await waitUntil('asked again', () => server.asked.length > 1);
    server.fault = null;
    await waitUntil('labelled', () => server.labels.has(count));
    expect(agent.log.filter((line) => line.msg.includes('is not labelled'))).toHaveLength(1);
  });

  it('makes no node, and labels none of another machine', async () => {
    await using node = await openKubeletNode();
    const server = await openServer();
    await mkdir(join(node.folder, 'sys/kernel/random'), { recursive: true });
    await writeFile(join(node.folder, 'sys/kernel/random/boot_id'), '7f0c9e1e-0000-4000-8000-00000000000f\n');
    const agent = await node.startServingAgent(await apiArgs(node, server));
    const { msg } = await agent.waitForLog((line) => line.msg.includes('is not labelled'), patienceMs);
    expect(msg).toContain('it is another machine');
    server.fault = refusal(404, 'nodes "gpu-1" not found');
    await agent.waitForLog((line) => line.msg.includes('knows no node gpu-1'), patienceMs);
    agent.signal('SIGTERM');
    await agent.exit;
    expect(server.patches).toEqual([]);
  });

  it('is off by default, and without cluster.enabled', async () => {
    await using node = await openKubeletNode();
    const server = await openServer();
    const [, ...args] = await apiArgs(node, server);
    const agent = await node.startServingAgent(args);
    const file = await node.writeConfig({ version: 'v1', labels: { output: 'api' } });
    const second = await node.startStandby([...args, `--config-file=${file}`]);
    await second.waitForLog(({ msg }) => msg.includes('labels.output api has no effect'), patienceMs);
    agent.signal('SIGTERM');
    await agent.exit;
    await second.waitForLog(({ msg }) => msg.includes('registered'), patienceMs);
    expect(server.asked).toEqual([]);
  });
});
