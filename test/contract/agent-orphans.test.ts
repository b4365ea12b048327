import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readState } from '../../src/state/state-file.ts';
import { gpuResource, type KubeletNode, openKubeletNode, patienceMs } from './support/kubelet-node.ts';
import { type Ended, runToEnd } from './support/program.ts';

const memory = 'nvidia.com/gpu-memory';
const boots = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;
/** Two GPUs of 28 units, in requests of 14 at most: 28 + 28 - 2 × 13 + 13. */
const allFree = { [memory]: '43/56', [gpuResource]: '2/2' };
/** 14 units of one GPU are an orphan's: 14 + 28 - 2 × 13 + 13. */
const halfOrphaned = { [memory]: '29/56', [gpuResource]: '1/2' };

/** A node whose GPUs are in use, so that memory in use never frees anything, and whose boot the test tells. */
async function openNode(): Promise<KubeletNode> {
  const node = await openKubeletNode({
    gpus: { gpus: [{ model: 'v100-sxm2-32gb', count: 2, memoryUsedMiB: 4000 }] },
    memory: true,
  });
  await node.writeConfig({
    version: 'v1',
    memory: { reservedPerGpu: '4Gi', maxPerContainer: '14Gi' },
  });
  await mkdir(join(node.folder, 'proc/sys/kernel/random'), { recursive: true });
  await boot(node, 0);
  return node;
}

async function boot(node: KubeletNode, at: 0 | 1): Promise<void> {
  await writeFile(join(node.folder, 'proc/sys/kernel/random/boot_id'), `${boots[at]}\n`);
}

async function serve(node: KubeletNode) {
  const agent = node.startAgent([
    `--config-file=${node.folder}/config.yaml`,
    `--procfs-root=${node.folder}/proc`,
  ]);
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patienceMs);
  return agent;
}

async function kill(agent: Awaited<ReturnType<typeof serve>>): Promise<void> {
  agent.signal('SIGKILL');
  await agent.exit;
}

function stateDir(node: KubeletNode): string {
  return join(node.folder, 'state');
}

/** A pod that holds 14 units of one GPU, known to the agent's state file. */
async function admitPod(node: KubeletNode) {
  const pod = await node.admit('a', 14, memory);
  await node.kubelet.waitForEvent('pods-listed', { deadlineMs: patienceMs });
  await expect
    .poll(
      async () => {
        const reading = await readState(stateDir(node));
        return reading.kind === 'state' ? reading.state.holdings.booked.length : 0;
      },
      { timeout: patienceMs },
    )
    .toBe(1);
  return { pod, gpu: node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? '' };
}

/** The kubelet restarts and does not find its record; containers run on. */
async function loseRecord(node: KubeletNode): Promise<void> {
  await node.kubelet.stop();
  await rm(join(node.kubelet.devicePluginFolder, 'kubelet_internal_checkpoint'));
  await node.kubelet.restart();
}

function orphans(node: KubeletNode, ...args: readonly string[]): Promise<Ended> {
  return runToEnd(['orphans', ...args, '--state-dir', stateDir(node)]);
}

describe('containers that the kubelet has lost', () => {
  it('stay booked over a kill of the agent, until an admin releases them', { timeout: 120_000 }, async () => {
    await using node = await openNode();
    const first = await serve(node);
    await node.waitForStatus(allFree);
    const { gpu } = await admitPod(node);
    expect((await stat(stateDir(node))).mode & 0o777).toBe(0o700);
    expect((await stat(join(stateDir(node), 'state.json'))).mode & 0o777).toBe(0o600);
    await loseRecord(node);
    const warning = await first.waitForLog(({ msg }) => msg.includes('has lost its record'), patienceMs);
    expect(warning).toMatchObject({ level: 'warn', gpus: [gpu], resource: memory, pod: 'default/a' });
    await node.waitForStatus(halfOrphaned);
    await expect
      .poll(async () => JSON.parse((await orphans(node, 'list', '--output', 'json')).stdout) as unknown, {
        timeout: patienceMs,
      })
      .toMatchObject([{ gpus: [{ uuid: gpu }], pod: 'default/a', container: 'main', devices: 14 }]);
    await kill(first);

    const second = await serve(node);
    await node.waitForStatus(halfOrphaned);
    await second.waitForLog(({ msg }) => msg.includes('has lost its record'), patienceMs);
    const other = node.gpuIds.indexOf(gpu) === 0 ? '1' : '0';
    expect(await orphans(node, 'release', other)).toMatchObject({ code: 1 });
    const released = await orphans(node, 'release', String(node.gpuIds.indexOf(gpu)));
    expect(released).toEqual({ code: 0, stdout: `${gpu}: released (1 orphan)\n`, stderr: '' });
    await node.waitForStatus(allFree);
    expect(second.log.filter(({ msg }) => msg.includes('an admin has said so'))).toHaveLength(1);
    expect((await orphans(node)).stdout).toBe('No orphans.\n');
    await kill(second);
    await serve(node);
    await node.waitForStatus(allFree);
    expect(node.kubelet.violations).toEqual([]);
  });

  it(
    'are found by an agent that was down meanwhile, and end with the boot',
    { timeout: 120_000 },
    async () => {
      await using node = await openNode();
      const first = await serve(node);
      await node.waitForStatus(allFree);
      const { gpu } = await admitPod(node);
      await kill(first);
      await loseRecord(node);

      const second = await serve(node);
      await second.waitForLog(({ msg, gpus }) => msg.includes('has lost its record') && String(gpus) === gpu);
      await node.waitForStatus(halfOrphaned);
      second.signal('SIGTERM');
      expect(await second.exit).toEqual({ code: 0, signal: null });
      await boot(node, 1);

      const third = await serve(node);
      await third.waitForLog(({ msg }) => msg.startsWith('the node was rebooted'), patienceMs);
      await node.waitForStatus(allFree);
      expect(await readFile(join(stateDir(node), 'state.json'), 'utf8').catch(() => 'gone')).not.toContain(
        gpu,
      );
    },
  );
});
