import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { CdiSpec } from '../../src/allocation/cdi/cdi-spec.ts';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { installDriver, libraryFolder } from '../support/driver-root.ts';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';
import { allocateOne } from './support/plugin-calls.ts';
import { listenAsKubelet } from './support/registrar.ts';

const gpuFile = 'k8s.device-plugin.nvidia.com-gpu.json';
const ownName = (id: string): string => `k8s.device-plugin.nvidia.com/gpu=${id}`;

/** Arguments for an agent that gives devices by CDI name, with a driver root of its own. */
function cdiArgs(node: KubeletNode, ...more: readonly string[]): readonly string[] {
  const driverRoot = [
    '--driver-root',
    '/run/nvidia/driver',
    '--driver-root-ctr-path',
    join(node.folder, 'driver'),
  ];
  const strategy = more.includes('--device-list-strategy') ? [] : ['--device-list-strategy', 'cdi-cri'];
  return [...strategy, ...driverRoot, ...more];
}

function specPath(node: KubeletNode): string {
  return join(node.folder, 'cdi', gpuFile);
}

async function readSpec(path: string): Promise<CdiSpec> {
  return JSON.parse(await readFile(path, 'utf8')) as CdiSpec;
}

async function eventually(check: () => Promise<void>): Promise<void> {
  await vi.waitFor(check, { timeout: patienceMs, interval: 50 });
}

async function readiness(agent: AgentProcess): Promise<{ status: number; body: string }> {
  const { port } = await agent.waitForLog(({ msg }) => msg.startsWith('serving /livez'));
  const response = await fetch(`http://127.0.0.1:${String(port)}/readyz`);
  return { status: response.status, body: await response.text() };
}

const twoGpus = { gpus: [{ model: 't4', count: 2 }] } as const;

describe('an answer', () => {
  it('has CDI names alone under cdi-cri: no variable, no mount, no device node', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent(cdiArgs(node, '--pass-device-specs'));
    const ids = node.gpuIds.slice(1, 3);
    const answer = await allocateOne(node, ids);
    expect(answer).toMatchObject({ envs: {}, mounts: [], devices: [] });
    expect(answer.cdiDevices).toEqual(ids.map(ownName));
    expect(Object.keys(answer.annotations)).toEqual(['slicewise.io/allocation']);
  });

  it('has them in an annotation of its own under cdi-annotations', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent(
      cdiArgs(
        node,
        '--device-list-strategy',
        'cdi-annotations',
        '--cdi-annotation-prefix',
        'nvidia.cdi.k8s.io/',
      ),
    );
    const answers = [
      await allocateOne(node, node.gpuIds.slice(0, 2)),
      await allocateOne(node, node.gpuIds.slice(2, 3)),
    ];
    const keys = answers.map(({ annotations }) =>
      Object.keys(annotations).filter((key) => key.includes('cdi')),
    );
    expect(keys.flat()).toHaveLength(2);
    expect(new Set(keys.flat()).size).toBe(2);
    for (const key of keys.flat())
      expect(key).toMatch(/^nvidia\.cdi\.k8s\.io\/nvidia-device-plugin_[0-9a-f-]{36}$/);
    expect(answers[0]?.annotations[keys[0]?.[0] ?? '']).toBe(node.gpuIds.slice(0, 2).map(ownName).join(','));
    expect(answers[0]?.cdiDevices).toEqual([]);
  });

  it('has both the names and the variable under envvar and cdi-cri', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent(cdiArgs(node, '--device-list-strategy', 'cdi-cri,envvar'));
    const [id = ''] = node.gpuIds;
    const answer = await allocateOne(node, [id]);
    expect(answer.envs).toEqual({ NVIDIA_VISIBLE_DEVICES: id });
    expect(answer.cdiDevices).toEqual([ownName(id)]);
  });
});

describe('our spec', () => {
  it('is whole and readable for all before the first Register', async () => {
    await using node = await openKubeletNode({ kubeletDown: true, gpus: 2 });
    const seen = Promise.withResolvers<CdiSpec>();
    using kubelet = await listenAsKubelet(node.kubelet.registrationSocket, async () => {
      await readSpec(specPath(node)).then(seen.resolve, seen.reject);
    });
    node.startAgent(cdiArgs(node));
    const spec = await seen.promise;
    expect(kubelet.requests.length).toBeGreaterThan(0);
    expect(spec.devices.map(({ name }) => name)).toEqual(node.gpuIds);
    expect((await stat(specPath(node))).mode & 0o777).toBe(0o644);
    expect((await stat(join(node.folder, 'cdi'))).mode & 0o777).toBe(0o755);
    expect(await readdir(join(node.folder, 'cdi'))).toEqual([gpuFile]);
  });

  it.each(['removed', 'changed'] as const)(
    'is put back when somebody has %s it, and said once',
    async (what) => {
      await using node = await openKubeletNode();
      // Nothing but the folder's own events can tell of it in time.
      const agent = await node.startServingAgent(cdiArgs(node, '--rescan-interval', '30s'));
      const before = await readFile(specPath(node), 'utf8');
      for (let round = 0; round < 3; round += 1) {
        await (what === 'removed' ? rm(specPath(node)) : writeFile(specPath(node), '{"devices":[]}'));
        await eventually(async () => expect(await readFile(specPath(node), 'utf8')).toBe(before));
      }
      const said = agent.log.filter(({ msg }) => msg.includes(`another program ${what} our CDI spec`));
      expect(said).toHaveLength(1);
    },
  );

  it('comes back with its folder', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent(cdiArgs(node, '--rescan-interval', '30s'));
    for (let round = 0; round < 2; round += 1) {
      await rm(join(node.folder, 'cdi'), { recursive: true });
      await eventually(async () => expect((await readSpec(specPath(node))).devices).toHaveLength(4));
    }
  });

  it('follows the driver: another version, other files', async () => {
    await using node = await openKubeletNode({ gpus: { driverVersion: '580.65.06', ...twoGpus } });
    const driver = join(node.folder, 'driver');
    await installDriver(driver, '580.65.06');
    await node.startServingAgent(cdiArgs(node));
    const libraries = async (): Promise<readonly string[]> =>
      ((await readSpec(specPath(node))).containerEdits?.mounts ?? []).map(({ hostPath }) => hostPath);
    const old = `/run/nvidia/driver${libraryFolder}/libcuda.so.580.65.06`;
    expect(await libraries()).toContain(old);
    await rm(driver, { recursive: true });
    await installDriver(driver, '590.48.01');
    await node.writeScenario({ driverVersion: '590.48.01', ...twoGpus });
    await eventually(async () => expect(await libraries()).toContain(old.replace('580.65.06', '590.48.01')));
    expect(await libraries()).not.toContain(old);
  });

  it('gains a GPU before the GPU can be asked for', async () => {
    await using node = await openKubeletNode({
      gpus: { ...twoGpus, overrides: [{ gpu: 1, state: 'absent' }] },
    });
    node.startAgent(cdiArgs(node));
    await node.kubelet.waitForAllocatable(gpuResource, 1, patienceMs);
    expect((await readSpec(specPath(node))).devices).toHaveLength(1);
    await node.writeScenario(twoGpus);
    await node.kubelet.waitForAllocatable(gpuResource, 2, patienceMs);
    expect((await readSpec(specPath(node))).devices.map(({ name }) => name)).toEqual(node.gpuIds);
  });
});

describe('a folder that cannot be written to', () => {
  it('keeps everything from being advertised, says why, and is waited for', async () => {
    await using node = await openKubeletNode();
    await writeFile(join(node.folder, 'cdi'), 'a file where the folder should be');
    const agent = node.startAgent(cdiArgs(node, '--http-address', '127.0.0.1:0'));
    await agent.waitForLog(({ msg }) => msg.startsWith('the CDI specs are not as they should be'));
    await eventually(async () => {
      expect(await readiness(agent)).toMatchObject({
        status: 503,
        body: expect.stringContaining(specPath(node)),
      });
    });
    // Time for a registration that should not be.
    await delay(1000);
    expect(node.happened('registering')).toEqual([]);
    await rm(join(node.folder, 'cdi'));
    await node.kubelet.waitForAllocatable(gpuResource, 4, patienceMs);
    expect((await readSpec(specPath(node))).devices).toHaveLength(4);
    expect((await readiness(agent)).status).toBe(200);
  });

  it('makes the GPUs unhealthy when it comes to that later, and only as long as it lasts', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent(cdiArgs(node));
    await rm(join(node.folder, 'cdi'), { recursive: true });
    await writeFile(join(node.folder, 'cdi'), '');
    await node.kubelet.waitForAllocatable(gpuResource, 0, patienceMs);
    await rm(join(node.folder, 'cdi'));
    await node.kubelet.waitForAllocatable(gpuResource, 4, patienceMs);
    expect(node.happened('registering')).toHaveLength(1);
  });
});

describe('specs that nothing uses any more', () => {
  it('are removed, those of other vendors left alone', async () => {
    await using node = await openKubeletNode();
    const folder = join(node.folder, 'cdi');
    await mkdir(folder);
    const others = ['nvidia.yaml', 'vendor.example-gpu.json', 'k8s.device-plugin.nvidia.com-other.json'];
    const ours = [gpuFile, 'k8s.device-plugin.nvidia.com-gds.json'];
    for (const name of [...others, ...ours]) await writeFile(join(folder, name), '{}');
    await node.startServingAgent(['--device-list-strategy', 'envvar']);
    await eventually(async () => expect((await readdir(folder)).toSorted()).toEqual(others.toSorted()));
  });

  it('stay while a container holds a device that they describe', async () => {
    await using node = await openKubeletNode();
    const first = await node.startServingAgent(cdiArgs(node));
    await node.admit('holder', 1);
    first.signal('SIGTERM');
    await first.exit;
    const stale = join(node.folder, 'cdi', 'k8s.device-plugin.nvidia.com-gds.json');
    await writeFile(stale, '{}');
    await node.startServingAgent(['--device-list-strategy', 'envvar']);
    await eventually(async () => expect(await readdir(join(node.folder, 'cdi'))).toEqual([gpuFile]));
  });
});

describe('an edit of the strategy', () => {
  it('counts once its specs are there, and registers nothing anew', async () => {
    await using node = await openKubeletNode();
    const config = join(node.folder, 'config.yaml');
    const edit = (strategy: string): Promise<void> =>
      writeFile(config, `flags: {plugin: {deviceListStrategy: ${strategy}}}`);
    const [id = ''] = node.gpuIds;
    await edit('envvar');
    await node.startServingAgent(['--config-file', config]);
    expect((await allocateOne(node, [id])).envs).toEqual({ NVIDIA_VISIBLE_DEVICES: id });
    await edit('cdi-cri');
    const kinds = new Set<string>();
    await eventually(async () => {
      const { envs, cdiDevices } = await allocateOne(node, [id]);
      kinds.add(JSON.stringify([envs, cdiDevices]));
      expect(cdiDevices).toEqual([ownName(id)]);
    });
    // No answer is half of each.
    expect([...kinds]).toEqual([
      JSON.stringify([{ NVIDIA_VISIBLE_DEVICES: id }, []]),
      JSON.stringify([{}, [ownName(id)]]),
    ]);
    expect((await readSpec(specPath(node))).devices).toHaveLength(4);
    await edit('volume-mounts');
    await eventually(async () => expect(await readdir(join(node.folder, 'cdi'))).toEqual([]));
    expect((await allocateOne(node, [id])).cdiDevices).toEqual([]);
    expect(node.happened('registering')).toHaveLength(1);
    for (const { healthy } of node.happened('list')) expect(healthy).toBe(4);
  });

  it('to one whose specs cannot be written keeps the GPUs from being used', async () => {
    await using node = await openKubeletNode();
    const config = join(node.folder, 'config.yaml');
    await writeFile(config, 'flags: {plugin: {deviceListStrategy: envvar}}');
    await node.startServingAgent(['--config-file', config]);
    await writeFile(join(node.folder, 'cdi'), '');
    await writeFile(config, 'flags: {plugin: {deviceListStrategy: cdi-cri}}');
    await node.kubelet.waitForAllocatable(gpuResource, 0, patienceMs);
    await rm(join(node.folder, 'cdi'));
    await node.kubelet.waitForAllocatable(gpuResource, 4, patienceMs);
  });
});

describe("the container toolkit's spec", () => {
  const toolkitSpec = (names: readonly string[]): string =>
    `cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n${names
      .map((name) => `- {name: "${name}", containerEdits: {deviceNodes: [{path: /dev/nvidia0}]}}\n`)
      .join('')}`;
  const toolkitName = (id: string): string => `nvidia.com/gpu=${id}`;

  it('gives the names under cdi.spec toolkit, and a GPU that it lacks is unhealthy until it has it', async () => {
    await using node = await openKubeletNode({ gpus: twoGpus });
    const [first = '', second = ''] = node.gpuIds;
    await mkdir(join(node.folder, 'cdi'));
    await writeFile(join(node.folder, 'cdi/nvidia.yaml'), toolkitSpec([first, 'all']));
    await writeFile(join(node.folder, 'config.yaml'), 'cdi: {spec: toolkit}\n');
    const agent = node.startAgent(cdiArgs(node, '--config-file', join(node.folder, 'config.yaml')));
    await node.kubelet.waitForAllocatable(gpuResource, 1, patienceMs);
    expect((await allocateOne(node, [first])).cdiDevices).toEqual([toolkitName(first)]);
    await agent.waitForLog(
      (line) =>
        line.msg === 'GPU is unhealthy' &&
        line['gpu'] === second &&
        String(line['reason']).includes('toolkit'),
    );
    expect(await readdir(join(node.folder, 'cdi'))).toEqual(['nvidia.yaml']);
    await writeFile(join(node.folder, 'cdi/nvidia.yaml'), toolkitSpec([first, second]));
    await node.kubelet.waitForAllocatable(gpuResource, 2, patienceMs);
  });

  it('is preferred under cdi.spec auto once it has every GPU; our spec stays beside it', async () => {
    await using node = await openKubeletNode({ gpus: twoGpus });
    const [first = '', second = ''] = node.gpuIds;
    await writeFile(join(node.folder, 'config.yaml'), 'cdi: {spec: auto}\n');
    await node.startServingAgent(cdiArgs(node, '--config-file', join(node.folder, 'config.yaml')));
    expect((await allocateOne(node, [first])).cdiDevices).toEqual([ownName(first)]);
    await writeFile(join(node.folder, 'cdi/nvidia.yaml'), toolkitSpec([first]));
    await writeFile(
      join(node.folder, 'cdi/nvidia.json'),
      JSON.stringify({ kind: 'nvidia.com/gpu', devices: [{ name: second }] }),
    );
    await eventually(async () => {
      const { cdiDevices } = await allocateOne(node, node.gpuIds);
      expect(cdiDevices).toEqual(node.gpuIds.map(toolkitName));
    });
    expect((await readSpec(specPath(node))).devices).toHaveLength(2);
  });
});

describe('two agents on a node', () => {
  it('leave the specs to the one that serves', async () => {
    await using node = await openKubeletNode();
    const first = await node.startServingAgent(cdiArgs(node));
    const before = await readFile(specPath(node), 'utf8');
    const second = await node.startStandby(cdiArgs(node, '--device-id-strategy', 'index'));
    await rm(specPath(node));
    await eventually(async () => expect(await readFile(specPath(node), 'utf8')).toBe(before));
    await delay(1500);
    expect(second.log.filter(({ msg }) => msg === 'CDI spec written')).toEqual([]);
    expect(await readFile(specPath(node), 'utf8')).toBe(before);
    first.signal('SIGKILL');
    await eventually(async () => {
      expect((await readSpec(specPath(node))).devices.map(({ name }) => name)).toEqual(['0', '1', '2', '3']);
    });
  });

  it('have the spec of the one that takes over before it registers', async () => {
    await using node = await openKubeletNode({ kubeletDown: true, gpus: 2 });
    const seen: (readonly string[])[] = [];
    using kubelet = await listenAsKubelet(node.kubelet.registrationSocket, async () => {
      seen.push((await readSpec(specPath(node))).devices.map(({ name }) => name));
    });
    const first = node.startAgent(cdiArgs(node));
    await eventually(async () => expect(seen).toHaveLength(1));
    await node.startStandby(cdiArgs(node, '--device-id-strategy', 'index'));
    first.signal('SIGKILL');
    await eventually(async () => expect(seen.length).toBeGreaterThan(1));
    expect(kubelet.requests.length).toBeGreaterThan(1);
    expect(seen.slice(0, 2)).toEqual([node.gpuIds, ['0', '1']]);
  });
});
