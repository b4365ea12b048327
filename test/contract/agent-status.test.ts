import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { NodeStatus } from '../../src/allocation/status/node-status.ts';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { gpuResource, type KubeletNode, openKubeletNode, patienceMs } from './support/kubelet-node.ts';
import { cleanEnvironment, program, runToEnd } from './support/program.ts';
import { type ParsedMetrics, parsePrometheusText } from './support/prometheus-text.ts';

const memory = 'nvidia.com/gpu-memory';

/** A node with three GPUs of 28 units each. */
async function openNode(): Promise<KubeletNode> {
  const node = await openKubeletNode({
    gpus: { gpus: [{ model: 'v100-sxm2-32gb', count: 3 }] },
    memory: true,
  });
  await node.writeConfig({
    version: 'v1',
    memory: { reservedPerGpu: '4Gi', maxPerContainer: '10Gi' },
  });
  return node;
}

const args = (node: KubeletNode): readonly string[] => [
  `--config-file=${node.folder}/config.yaml`,
  '--http-address',
  '127.0.0.1:0',
];

async function serve(node: KubeletNode): Promise<AgentProcess> {
  const agent = node.startAgent(args(node));
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
  await node.waitForStatus({ [memory]: '66/84', [gpuResource]: '3/3' });
  return agent;
}

const stateDir = (node: KubeletNode): string => join(node.folder, 'state');

async function readStatus(node: KubeletNode): Promise<NodeStatus> {
  const { code, stdout, stderr } = await runToEnd([
    'status',
    '--state-dir',
    stateDir(node),
    '--output',
    'json',
  ]);
  if (code !== 0) throw new Error(`slicewise status ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as NodeStatus;
}

async function poll<T>(ask: () => T | Promise<T>, accepts: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (accepts(answer)) return answer;
    if (performance.now() > end) throw new Error(`Not in time; last: ${JSON.stringify(answer)}`);
    await delay(50);
  }
}

/** Who holds how many MiB of which GPU: by what the runtime started the containers with. */
function heldByKubelet(node: KubeletNode): readonly string[] {
  return node.kubelet
    .holdings()
    .flatMap(({ pod, container, response: { envs } }) =>
      (envs['NVIDIA_VISIBLE_DEVICES'] ?? '')
        .split(',')
        .map(
          (gpu) =>
            `${gpu} ${pod.namespace}/${pod.name}/${container} ${envs['SLICEWISE_GPU_MEMORY_MIB'] ?? 32_768}`,
        ),
    )
    .toSorted();
}

function heldByStatus({ gpus }: NodeStatus): readonly string[] {
  return gpus
    .flatMap(({ uuid, holders }) =>
      (holders ?? []).map(
        ({ namespace, pod, container, memoryMiB }) => `${uuid} ${namespace}/${pod}/${container} ${memoryMiB}`,
      ),
    )
    .toSorted();
}

function heldByMetrics({ samples }: ParsedMetrics): readonly string[] {
  return samples
    .filter(({ name }) => name === 'slicewise_container_gpu_memory_bytes')
    .map(
      ({ labels: { uuid, namespace, pod, container }, value }) =>
        `${uuid} ${namespace}/${pod}/${container} ${value / 2 ** 20}`,
    )
    .toSorted();
}

async function scrape(agent: AgentProcess): Promise<ParsedMetrics> {
  const { port } = await agent.waitForLog(({ msg }) => msg.startsWith('serving /livez'), patienceMs);
  const response = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
  return parsePrometheusText(await response.text());
}

/** The status once it names everybody; else what it last said. */
async function agreedStatus(node: KubeletNode): Promise<NodeStatus> {
  return poll(
    () => readStatus(node),
    (status) => isDeepStrictEqual(heldByStatus(status), heldByKubelet(node)),
  );
}

/** `slicewise status --watch`; disposing interrupts it. */
function watch(node: KubeletNode) {
  const child = spawn(
    program.executable,
    [program.script, 'status', '--state-dir', stateDir(node), '--output', 'json', '--watch'],
    { env: { ...cleanEnvironment() }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const documents: NodeStatus[] = [];
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) =>
    documents.push(JSON.parse(line) as NodeStatus),
  );
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return {
    documents,
    said,
    exit,
    interrupt: () => void child.kill('SIGINT'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

describe('slicewise status', () => {
  it('agrees with what containers were started with, and so do the metrics', async () => {
    await using node = await openNode();
    const agent = await serve(node);
    const pods = [
      await node.admit('a', 10, memory),
      await node.admit('b', 4, memory),
      await node.admit('whole', 1),
    ];
    expect(pods.map(({ phase }) => phase)).toEqual(['Running', 'Running', 'Running']);
    const status = await agreedStatus(node);
    expect(heldByStatus(status)).toHaveLength(3);
    const { capacity, allocatable } = node.kubelet.nodeStatus()[memory] ?? {};
    expect(status).toMatchObject({
      agent: { role: 'serving' },
      holdings: { state: 'known' },
      memory: { units: capacity, heldUnits: 14, largestHole: 28, maxPerContainer: 10, paused: null },
    });
    expect((status.memory?.heldUnits ?? 0) + (status.memory?.promisedUnits ?? 0)).toBe(allocatable);
    expect(Object.fromEntries(status.resources.map(({ resource, healthy }) => [resource, healthy]))).toEqual({
      [memory]: allocatable,
      [gpuResource]: node.kubelet.nodeStatus()[gpuResource]?.allocatable,
    });
    expect(status.gpus.map(({ uuid }) => uuid)).toEqual(node.gpuIds);

    const metrics = await scrape(agent);
    expect(heldByMetrics(metrics)).toEqual(heldByKubelet(node));
    const sum = (name: string): number =>
      metrics.samples.filter((sample) => sample.name === name).reduce((total, { value }) => total + value, 0);
    expect([sum('slicewise_memory_units'), sum('slicewise_memory_units_held')]).toEqual([capacity, 14]);
    expect(metrics.value('slicewise_memory_promised_units')).toBe((allocatable ?? 0) - 14);
    expect(sum('slicewise_memory_paused')).toBe(0);
    expect(metrics.value('slicewise_devices_withheld', { resource: gpuResource, reason: 'other-use' })).toBe(
      1,
    );

    const [socket = ''] = readdirSync(join(stateDir(node), 'run'));
    expect(statSync(join(stateDir(node), 'run', socket)).mode & 0o777).toBe(0o600);
    expect(statSync(join(stateDir(node), 'run')).mode & 0o777).toBe(0o700);

    for (const pod of pods) node.kubelet.remove(pod);
    expect(heldByStatus(await agreedStatus(node))).toEqual([]);
    expect(heldByMetrics(await scrape(agent))).toEqual([]);
    expect(agent.log.filter(({ level }) => level === 'error')).toEqual([]);
    expect(node.kubelet.violations).toEqual([]);
  });

  it('--watch tells of a pod that ends', async () => {
    await using node = await openNode();
    await serve(node);
    const pod = await node.admit('a', 10, memory);
    await agreedStatus(node);
    await using watching = watch(node);
    const held = (): readonly (number | null)[] =>
      watching.documents.map((each) => each.memory?.heldUnits ?? null);
    await poll(held, (units) => units.length > 0);
    expect(held()[0]).toBe(10);
    node.kubelet.remove(pod);
    await poll(held, (units) => units.at(-1) === 0);
    await delay(2500);
    // Readings came and went; none was told of for its age alone.
    const texts = watching.documents.map(({ inventory, ...rest }) =>
      JSON.stringify({ ...rest, inventory: { ...inventory, ageSeconds: null } }),
    );
    expect(texts.filter((text, at) => text === texts[at - 1])).toEqual([]);
    watching.interrupt();
    expect(await watching.exit).toBe(0);
    expect(watching.said).toEqual([]);
  });

  it('says so when no agent runs, and when it was killed', async () => {
    await using node = await openNode();
    const ask = () => runToEnd(['status', '--state-dir', stateDir(node)]);
    expect(await ask()).toMatchObject({ code: 1, stdout: '' });
    const agent = await serve(node);
    const { code, stdout } = await ask();
    expect(code).toBe(0);
    expect(stdout).toContain(node.gpuIds[0]);
    expect(stdout).not.toContain('\u001b');
    agent.signal('SIGKILL');
    await agent.exit;
    const { stderr } = await ask();
    expect(stderr).toContain(`nobody listens on ${join(stateDir(node), 'run')}/status-`);
  });

  it.for(['SIGTERM', 'SIGKILL'] as const)('follows the node to another agent, after %s', async (signal) => {
    await using node = await openNode();
    const first = await serve(node);
    await node.admit('a', 10, memory);
    await agreedStatus(node);
    await using watching = watch(node);
    await poll(
      () => watching.documents.length,
      (documents) => documents > 0,
    );
    const second = node.startAgent(args(node));
    await second.waitForLog(({ msg }) => msg.startsWith('standing by'), patienceMs);
    // The one that stands by answers on a socket of its own, and is not the one that is asked.
    await poll(
      () => readdirSync(join(stateDir(node), 'run')).length,
      (sockets) => sockets === 2,
    );
    expect((await readStatus(node)).agent.role).toBe('serving');
    expect((await scrape(second)).samples.map(({ name }) => name)).not.toContain('slicewise_memory_units');
    await first.waitForLog(({ msg }) => msg.startsWith('another agent stands by'), patienceMs);
    const before = watching.documents.length;
    first.signal(signal);
    await first.exit;
    const after = await poll(
      () => readStatus(node).catch(() => null),
      (status) =>
        status?.holdings.state === 'known' && isDeepStrictEqual(heldByStatus(status), heldByKubelet(node)),
    );
    expect(after?.memory?.heldUnits).toBe(10);
    const [newest] = await poll(
      () => watching.documents.slice(before).slice(-1),
      ([status]) => status?.agent.role === 'serving' && status.holdings.state === 'known',
    );
    expect(newest?.memory?.heldUnits).toBe(10);
    expect(watching.said).toEqual(['slicewise status: this agent serves no more: looking for another one']);
    expect(heldByMetrics(await scrape(second))).toEqual(heldByKubelet(node));
  });

  it('cannot be asked where the state folder cannot be made, and GPUs are served all the same', async () => {
    await using node = await openNode();
    await writeFile(stateDir(node), 'a file');
    const agent = await serve(node);
    expect((await node.admit('a', 10, memory)).phase).toBe('Running');
    const said = agent.log.filter(({ msg }) => msg.startsWith('slicewise status cannot be answered'));
    expect(said).toHaveLength(1);
    expect(String(said[0]?.['reason'])).toContain(stateDir(node));
  });
});
