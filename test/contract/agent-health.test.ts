import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { presetScenario } from '../../src/inventory/simulated/scenario.ts';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import type { HealthReport } from '../../src/cli/print-health.ts';
import { gpuResource, type KubeletNode, openKubeletNode, patienceMs } from './support/kubelet-node.ts';
import { runToEnd } from './support/program.ts';

const boots = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;
const base = { gpus: [{ model: 't4', count: 4 }] } as const;
/** Tells the XID once to each agent that reads the scenario. */
const xid79 = { at: '0s', id: 'first', gpu: 1, do: 'xid', xid: 79 };

async function openNode(gpus: object = base): Promise<KubeletNode> {
  const node = await openKubeletNode({ gpus });
  await mkdir(join(node.folder, 'proc/sys/kernel/random'), { recursive: true });
  await boot(node, 0);
  return node;
}

async function boot(node: KubeletNode, at: 0 | 1): Promise<void> {
  await writeFile(join(node.folder, 'proc/sys/kernel/random/boot_id'), `${boots[at]}\n`);
}

const procfs = (node: KubeletNode): string => `--procfs-root=${node.folder}/proc`;

function health(node: KubeletNode, ...args: readonly string[]) {
  return runToEnd(['health', ...args, '--state-dir', join(node.folder, 'state')]);
}

/** How many devices a preset makes with MIG as `mixed`. */
function instancesOf(preset: 'a100x2-mig-mixed'): number {
  const { gpus } = presetScenario(preset);
  return gpus.reduce((sum, { mig }) => sum + (Array.isArray(mig) ? mig.length : 1), 0);
}

/** Resolves when the agent has heard an XID 95 and seen the wish for a reset so often: the order of the two is chance. */
async function toldAndShown(agent: AgentProcess, times: number): Promise<void> {
  const heard = () => [
    agent.log.filter(({ xid }) => xid === 95).length,
    agent.log.filter(({ msg }) => msg.startsWith('the driver asks for a reset')).length,
  ];
  await expect.poll(heard, { timeout: patienceMs }).toEqual([times, times]);
}

async function fileOf(node: KubeletNode): Promise<string> {
  return readFile(join(node.folder, 'state/health.json'), 'utf8').catch(() => '');
}

describe('GPUs that a driver tells of', () => {
  it('stay in for a fault of a program, and leave for one of the GPU', { timeout: 120_000 }, async () => {
    await using node = await openNode();
    const agent = await node.startServingAgent([procfs(node)]);
    await node.writeScenario({ ...base, timeline: [{ ...xid79, id: 'app', xid: 13 }] });
    await agent.waitForLog(({ xid }) => xid === 13, patienceMs);
    await node.writeScenario({ ...base, timeline: [xid79] });
    await node.waitForStatus({ [gpuResource]: '3/4' });
    const line = await agent.waitForLog(({ xid }) => xid === 79, patienceMs);
    expect(line).toMatchObject({ level: 'warn', gpu: node.gpuIds[1], index: 1, class: 'reboot' });
    expect(agent.log.filter(({ xid }) => xid === 13)).toMatchObject([
      { level: 'info', class: 'restart-app' },
    ]);
    expect(node.kubelet.violations).toEqual([]);
  });

  it.for(['SIGTERM', 'SIGKILL'] as const)(
    'stay out over a %s of the agent, until the node was rebooted',
    { timeout: 120_000 },
    async (signal) => {
      await using node = await openNode();
      const first = await node.startServingAgent([procfs(node)]);
      await node.writeScenario({ ...base, timeline: [xid79] });
      await node.waitForStatus({ [gpuResource]: '3/4' });
      await expect.poll(() => fileOf(node), { timeout: patienceMs }).toContain('xid-79');
      expect((await stat(join(node.folder, 'state/health.json'))).mode & 0o777).toBe(0o600);
      first.signal(signal);
      await first.exit;
      // The driver has forgotten it.
      await node.writeScenario(base);
      const from = node.kubelet.events.length;
      const second = node.startAgent([procfs(node)]);
      await second.waitForLog(({ msg }) => msg.includes('stay out'), patienceMs);
      await node.waitForStatus({ [gpuResource]: '3/4' });
      const lists = node.kubelet.events.slice(from).filter((event) => event.kind === 'list');
      // Not for a moment was it shown Healthy.
      expect(lists.length).toBeGreaterThan(0);
      expect(lists.map(({ devices, healthy }) => [devices, healthy])).toEqual(lists.map(() => [4, 3]));
      second.signal('SIGKILL');
      await second.exit;
      await boot(node, 1);
      await node.startServingAgent([procfs(node)]);
      await expect.poll(() => fileOf(node), { timeout: patienceMs }).not.toContain('xid-79');
      expect(node.kubelet.violations).toEqual([]);
    },
  );

  it('come back when the driver wanted a reset and wants none any more', { timeout: 120_000 }, async () => {
    await using node = await openNode();
    const agent = await node.startServingAgent([procfs(node)]);
    const wants = (recoveryAction: string) => ({
      ...base,
      timeline: [{ ...xid79, xid: 95 }],
      overrides: [{ gpu: 1, recoveryAction }],
    });
    await node.writeScenario(wants('reset'));
    await node.waitForStatus({ [gpuResource]: '3/4' });
    await toldAndShown(agent, 1);
    await node.writeScenario(wants('none'));
    await node.waitForStatus({ [gpuResource]: '4/4' });
  });

  it(
    'stay out when they are taken out three times in an hour, until an admin says otherwise',
    {
      timeout: 180_000,
    },
    async () => {
      await using node = await openNode();
      const agent = await node.startServingAgent([procfs(node)]);
      const step = (id: number, recoveryAction: string) =>
        node.writeScenario({
          ...base,
          timeline: [{ ...xid79, id, xid: 95 }],
          overrides: [{ gpu: 1, recoveryAction }],
        });
      for (const [id, after] of [
        [1, '4/4'],
        [2, '4/4'],
        [3, '3/4'],
      ] as const) {
        await step(id, 'reset');
        await node.waitForStatus({ [gpuResource]: '3/4' });
        await toldAndShown(agent, id);
        await step(id, 'none');
        await node.waitForStatus({ [gpuResource]: after });
      }
      await agent.waitForLog(({ msg }) => msg.startsWith('it was taken out 3 times'), patienceMs);
      await expect
        .poll(async () => (await health(node)).stdout, { timeout: patienceMs })
        .not.toContain('XID 95');
      await node.waitForStatus({ [gpuResource]: '3/4' });
      expect((await health(node, 'ack', node.gpuIds[1] ?? '')).code).toBe(0);
      await node.waitForStatus({ [gpuResource]: '4/4' });
    },
  );

  it('cost little in a storm', { timeout: 120_000 }, async () => {
    await using node = await openNode();
    const agent = await node.startServingAgent([procfs(node)]);
    const timeline = Array.from({ length: 3000 }, (_, at) => ({
      at: `${at}ms`,
      id: at,
      gpu: 1,
      do: 'xid',
      xid: 1 + (at % 900),
      count: 1000,
    }));
    await node.writeScenario({ ...base, timeline });
    await node.waitForStatus({ [gpuResource]: '3/4' });
    await agent.waitForLog(({ msg }) => msg.startsWith('more about this GPU is not logged'), patienceMs);
    const read = async () => JSON.parse((await health(node, '--output', 'json')).stdout) as HealthReport;
    await expect
      .poll(
        async () => (await read()).gpus[1]?.findings.some(({ xid, count }) => xid === 158 && count >= 3000),
        { timeout: patienceMs },
      )
      .toBe(true);
    const report = await read();
    expect(report.gpus.map(({ state }) => state)).toEqual(['healthy', 'unhealthy', 'healthy', 'healthy']);
    expect(report.gpus[1]?.findings.length).toBeLessThanOrEqual(24);
    expect(agent.log.filter(({ gpu }) => gpu === node.gpuIds[1]).length).toBeLessThan(30);
    expect((await fileOf(node)).length).toBeLessThan(20_000);
    await node.waitForStatus({ [gpuResource]: '3/4' });
  });

  it('take their gigabytes and their time slices along', { timeout: 120_000 }, async () => {
    const gpus = { gpus: [{ model: 'v100-sxm2-32gb', count: 3 }] };
    await using node = await openKubeletNode({ gpus, memory: true });
    const config = await node.writeConfig({
      version: 'v1',
      memory: { reservedPerGpu: '4Gi', fit: 'sum' },
      sharing: {
        timeSlicing: {
          renameByDefault: true,
          resources: [{ name: gpuResource, devices: [2], replicas: 5 }],
        },
      },
    });
    const [memory, slices] = ['nvidia.com/gpu-memory', `${gpuResource}.shared`];
    node.startAgent([`--config-file=${config}`]);
    await node.waitForStatus({ [memory]: '56/56', [gpuResource]: '2/2', [slices]: '5/5' });
    const faults = [0, 2].map((gpu) => ({ ...xid79, id: gpu, gpu }));
    await node.writeScenario({ ...gpus, timeline: faults });
    await node.waitForStatus({ [memory]: '28/56', [gpuResource]: '1/2', [slices]: '0/5' });
    const pod = await node.admit('a', 28, memory);
    expect(node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES']).toBe(node.gpuIds[1]);
  });

  it('takes one MIG instance out where the driver names it', { timeout: 120_000 }, async () => {
    const gpus = { preset: 'a100x2-mig-mixed' };
    await using node = await openKubeletNode({ gpus });
    const config = await node.writeConfig({ version: 'v1', flags: { migStrategy: 'mixed' } });
    const agent = node.startAgent([`--config-file=${config}`]);
    await agent.waitForLog(({ msg }) => msg === 'device list changed', patienceMs);
    const count = (): number =>
      Object.values(node.kubelet.nodeStatus()).reduce((sum, { allocatable }) => sum + allocatable, 0);
    // Instances, and GPUs that are not cut.
    const all = instancesOf('a100x2-mig-mixed');
    await node.kubelet.waitUntil(
      () => count() === all,
      patienceMs,
      () => `${all} devices, now ${count()}`,
    );
    await node.writeScenario({
      ...gpus,
      timeline: [{ at: '0s', gpu: 0, do: 'xid', xid: 95, gpuInstanceId: 1, computeInstanceId: 0 }],
    });
    const line = await agent.waitForLog(({ xid }) => xid === 95, patienceMs);
    expect(line['migInstance']).toEqual({ gpuInstanceId: 1, computeInstanceId: 0 });
    await node.kubelet.waitUntil(
      () => count() === all - 1,
      patienceMs,
      () => `${all - 1} devices, now ${count()}`,
    );
  });

  it(
    'are known to be unmonitored while the driver cannot be asked, and stay',
    { timeout: 120_000 },
    async () => {
      await using node = await openNode();
      const agent = await node.startServingAgent([procfs(node)]);
      await node.writeScenario({ ...base, timeline: [{ at: '0s', do: 'fail-driver' }] });
      await agent.waitForLog(({ msg }) => msg.includes('would not be told'), patienceMs);
      await node.waitForStatus({ [gpuResource]: '4/4' });
      await node.writeScenario({ ...base, timeline: [{ at: '0s', do: 'hang-driver' }] });
      agent.signal('SIGTERM');
      expect(await agent.exit).toEqual({ code: 0, signal: null });
    },
  );
});

describe('slicewise health', () => {
  it('says what is held against a GPU, and takes an admin’s word', { timeout: 120_000 }, async () => {
    await using node = await openNode();
    const agent = await node.startServingAgent([procfs(node)]);
    await node.writeScenario({ ...base, timeline: [xid79] });
    await node.waitForStatus({ [gpuResource]: '3/4' });
    const shown = await health(node, '--output', 'json');
    expect(JSON.parse(shown.stdout)).toMatchObject({
      isLive: true,
      gpus: [
        { index: 0, state: 'healthy' },
        {
          index: 1,
          uuid: node.gpuIds[1],
          state: 'unhealthy',
          findings: [{ xid: 79, class: 'reboot', count: 1 }],
        },
        { index: 2, state: 'healthy' },
        { index: 3, state: 'healthy' },
      ],
    });
    const table = await health(node);
    expect(table.code).toBe(0);
    expect(table.stdout).toContain('XID 79 (the GPU has fallen off the bus)');
    expect(await health(node, 'ack', '0')).toMatchObject({ code: 1, stdout: '' });
    expect(await health(node, 'ack', '9')).toMatchObject({ code: 2, stdout: '' });
    const acknowledged = await health(node, 'ack', '1');
    expect(acknowledged).toEqual({ code: 0, stdout: `${node.gpuIds[1]}: healthy\n`, stderr: '' });
    await node.waitForStatus({ [gpuResource]: '4/4' });
    agent.signal('SIGKILL');
    await agent.exit;
    expect(await fileOf(node)).not.toContain('xid-79');
    const without = await health(node);
    expect(without.code).toBe(1);
  });

  it('tells of a GPU that has left the bus, and takes a word on it', { timeout: 120_000 }, async () => {
    await using node = await openNode();
    const first = await node.startServingAgent([procfs(node)]);
    await node.writeScenario({ ...base, timeline: [xid79] });
    await node.waitForStatus({ [gpuResource]: '3/4' });
    await expect.poll(() => fileOf(node), { timeout: patienceMs }).toContain('xid-79');
    first.signal('SIGTERM');
    await first.exit;
    const uuid = node.gpuIds[1] ?? '';
    await node.writeScenario({ ...base, overrides: [{ gpu: 1, state: 'absent' }] });
    const agent = node.startAgent([procfs(node), '--http-address=127.0.0.1:0']);
    await node.waitForStatus({ [gpuResource]: '3/3' });
    const read = async () => JSON.parse((await health(node, '--output', 'json')).stdout) as HealthReport;
    await expect.poll(async () => (await read()).gpus.length, { timeout: patienceMs }).toBe(4);
    expect((await read()).gpus.at(-1)).toMatchObject({ index: null, uuid, findings: [{ xid: 79 }] });
    const { stdout } = await runToEnd(['status', '--state-dir', join(node.folder, 'state')]);
    expect(stdout).toContain('the driver does not name it now');
    expect(await health(node, 'ack', uuid)).toMatchObject({ code: 0, stderr: '' });
    await agent.waitForLog(({ msg }) => msg === 'an admin lets the GPU be used again', patienceMs);
    await expect.poll(async () => (await read()).gpus.length, { timeout: patienceMs }).toBe(3);
    await expect.poll(() => fileOf(node), { timeout: patienceMs }).not.toContain(uuid);
  });
});
