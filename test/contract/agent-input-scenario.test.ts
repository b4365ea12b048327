import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { gpuResource, type RunningAgent, startRunningAgent } from './support/running-agent.ts';

const args = (folder: string): readonly string[] => [
  '--device-discovery-strategy',
  'simulated',
  '--scenario',
  join(folder, 'node.yaml'),
];
const good = { name: 'node', preset: 'v100x4' };
const threeErrors = { gpus: [{ model: 'gtx-1' }], timeline: [{ at: '5', do: 'explode' }], foo: 1 };

function health(node: RunningAgent): readonly string[] {
  return Object.values(node.listed());
}

describe('the scenario file', () => {
  test('wrong at the start: all errors said once, not ready, nothing advertised; taken when mended', async () => {
    await using node = await startRunningAgent({ args, files: { 'node.yaml': threeErrors } });
    const line = await node.waitForLog('the GPUs cannot be read');
    const reason = String(line['reason']);
    expect(reason).toContain(`The scenario ${node.path('node.yaml')} has `);
    expect(reason).toContain('gpus[0].model: "gtx-1" is not allowed; allowed: a10, a100-sxm4-40gb, ');
    expect(reason).toContain('timeline[0].do: "explode" is not allowed; allowed: lose, ');
    expect(reason).toContain('foo: 1: unknown key; allowed: name, preset, ');
    await node.waitForReadyz(503, ['inventory: ', 'gtx-1', 'explode', 'foo: 1']);
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
    await node.write('node.yaml', good);
    await node.waitForGpus(4);
    await node.waitForReadyz(200);
    await vi.waitFor(() => expect(node.logged('gtx-1')).toHaveLength(1), 5000);
  });

  test('missing at the start: not ready with what is allowed; taken when it appears', async () => {
    await using node = await startRunningAgent({ args });
    await node.waitForReadyz(503, ['inventory: ', node.path('node.yaml'), 'the name of a preset (a100x8, ']);
    await node.write('node.yaml', good);
    await node.waitForGpus(4);
  });

  test('broken later: the last good one stays in force, and the complaint comes once', async () => {
    await using node = await startRunningAgent({ args, files: { 'node.yaml': good } });
    await node.waitForGpus(4);
    const lists = (): number => node.kubelet.events.filter(({ kind }) => kind === 'list').length;
    const before = lists();
    await node.write('node.yaml', threeErrors);
    const line = await node.waitForLog('The last good scenario stays in force');
    expect(line.level).toBe('warn');
    expect(line.msg).toContain('"gtx-1"');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await vi.waitFor(
      () => expect(node.logged('The last good scenario stays in force')).toHaveLength(1),
      5000,
    );
    expect(lists()).toBe(before);
    expect((await node.get('/readyz')).status).toBe(200);
    expect((await node.admit('pod', 4)).phase).toBe('Running');

    await node.write('node.yaml', { ...good, overrides: [{ gpu: 2, state: 'lost' }] });
    await node.kubelet.waitForAllocatable(gpuResource, 3, 20_000);
    expect(health(node)).toEqual(['Healthy', 'Healthy', 'Unhealthy', 'Healthy']);
  });
});
