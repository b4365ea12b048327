import { describe, expect, it } from 'vitest';
import { gpuResource, openKubeletNode, patienceMs } from './support/kubelet-node.ts';

const shared = 'nvidia.com/gpu.shared';

/** A config file that divides GPUs into time slices. */
function slicing(resources: readonly object[], more: object = {}): object {
  return { version: 'v1', sharing: { timeSlicing: { ...more, resources } } };
}

describe.concurrent('time slices', () => {
  it('are offered as often as each GPU says, and a pod with two of one GPU sees it once', async () => {
    await using node = await openKubeletNode({ gpus: 3 });
    const config = await node.writeConfig(
      slicing([
        { name: 'gpu', devices: [0], replicas: 4 },
        { name: 'gpu', devices: 1, replicas: 2 },
      ]),
    );
    node.startAgent(['--config-file', config]);
    await node.waitForStatus({ [gpuResource]: '7/7' });
    const [first = '', second = '', third = ''] = node.gpuIds;
    expect(
      node.kubelet
        .devices(gpuResource)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(
      [
        ...[0, 1, 2, 3].map((n) => `${first}::${n}`),
        ...[0, 1].map((n) => `${second}::${n}`),
        third,
      ].toSorted(),
    );
    const pod = await node.admit('all', 7);
    expect(node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES']).toBe(node.gpuIds.join(','));
    expect(node.kubelet.violations).toEqual([]);
  });

  it('with --pass-device-specs name each node once', async () => {
    await using node = await openKubeletNode({ gpus: 1 });
    const config = await node.writeConfig(slicing([{ name: 'gpu', replicas: 3 }]));
    node.startAgent(['--config-file', config, '--pass-device-specs']);
    await node.waitForStatus({ [gpuResource]: '3/3' });
    const { devices } = node.answerOf(await node.admit('all', 3));
    expect(devices.map(({ containerPath }) => containerPath)).toEqual(['/dev/nvidia0']);
  });

  it('are refused beyond one where that is asked, and the pod says why', async () => {
    await using node = await openKubeletNode({ gpus: 2 });
    const config = await node.writeConfig(
      slicing([{ name: 'gpu', replicas: 2 }], { renameByDefault: true, failRequestsGreaterThanOne: true }),
    );
    node.startAgent(['--config-file', config]);
    await node.waitForStatus({ [shared]: '4/4' });
    expect((await node.admit('one', 1, shared)).phase).toBe('Running');
    const two = await node.admit('two', 2, shared);
    expect(two.phase).toBe('Failed');
    expect(two.message).toContain(
      'nvidia.com/gpu.shared: 2 asked, but at most 1 is allowed: the devices are time slices',
    );
    expect(two.message).toContain('sharing.timeSlicing.failRequestsGreaterThanOne');
  });

  it('of MIG instances go under the profile, and all of a lost GPU turn bad', async () => {
    await using node = await openKubeletNode({
      gpus: { gpus: [{ model: 'a100-sxm4-40gb', mig: ['1g.5gb', '2g.10gb'] }] },
    });
    const config = await node.writeConfig({
      ...slicing([{ name: 'mig-1g.5gb', replicas: 3, rename: 'tiny' }]),
      flags: { migStrategy: 'mixed' },
    });
    const agent = node.startAgent(['--config-file', config]);
    await node.waitForStatus({ 'nvidia.com/tiny': '3/3', 'nvidia.com/mig-2g.10gb': '1/1' });
    const pod = await node.admit('p', 2, 'nvidia.com/tiny');
    expect(node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES']).toMatch(/^MIG-[0-9a-f-]{36}$/);
    await node.setGpu(0, 'lost');
    await node.waitForStatus({ 'nvidia.com/tiny': '0/3', 'nvidia.com/mig-2g.10gb': '0/1' });
    const told = agent.log.filter(({ msg }) => msg === 'MIG instance is unhealthy');
    // Once for each reason: that the GPU does not answer may be seen before it is known why.
    const slices = new Map(told.map(({ resource, timeSlices }) => [resource, timeSlices]));
    expect(slices).toEqual(
      new Map([
        ['nvidia.com/mig-2g.10gb', undefined],
        ['nvidia.com/tiny', 3],
      ]),
    );
    expect(new Set(told.map(({ resource, reason }) => JSON.stringify([resource, reason]))).size).toBe(
      told.length,
    );
  });
});

describe.concurrent('an edit of the config', () => {
  it('shares a GPU only when the pod that has it for itself is gone', async () => {
    await using node = await openKubeletNode({ gpus: 2 });
    const config = await node.writeConfig({});
    await node.startServingAgent(['--config-file', config]);
    const pod = await node.admit('alone', 1);
    await node.writeConfig(slicing([{ name: 'gpu', replicas: 2 }]));
    // Both GPUs are shown in both ways at first; what nobody can hold as it was is handed out after it has left.
    await node.waitForStatus({ [gpuResource]: '2/5' });
    const kept = node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? '';
    const healthy = (): readonly string[] =>
      node.kubelet
        .devices(gpuResource)
        .filter(({ health }) => health === 'Healthy')
        .map(({ id }) => id);
    expect(healthy().some((id) => id.startsWith(kept))).toBe(false);
    node.kubelet.remove(pod);
    await node.waitForStatus({ [gpuResource]: '4/4' });
    expect(node.kubelet.violations).toEqual([]);
  });

  it('gives a GPU another name only when the pod that has it by the old one is gone', async () => {
    await using node = await openKubeletNode({ gpus: 1 });
    const config = await node.writeConfig({});
    await node.startServingAgent(['--config-file', config]);
    const pod = await node.admit('old', 1);
    await node.writeConfig({ resources: { gpus: [{ pattern: 'Tesla*', name: 't4' }] } });
    await node.waitForStatus({ [gpuResource]: '0/1', 'nvidia.com/t4': '0/1' });
    const late = await node.admit('late', 1, 'nvidia.com/t4');
    expect(late.phase).toBe('Failed');
    node.kubelet.remove(pod);
    await node.waitForStatus({ [gpuResource]: '0/0', 'nvidia.com/t4': '1/1' });
    expect((await node.admit('new', 1, 'nvidia.com/t4')).phase).toBe('Running');
    expect(node.kubelet.crashed).toBeNull();
  });

  it('made while no agent ran is no way around it', async () => {
    await using node = await openKubeletNode({ gpus: 1 });
    const config = await node.writeConfig({});
    const first = await node.startServingAgent(['--config-file', config]);
    const pod = await node.admit('old', 1);
    first.signal('SIGKILL');
    await first.exit;
    await node.writeConfig({ resources: { gpus: [{ pattern: '*', name: 't4' }] } });
    const agent = node.startAgent(['--config-file', config]);
    await node.waitForStatus({ [gpuResource]: '0/1', 'nvidia.com/t4': '0/1' });
    await agent.waitForLog(({ reason }) => String(reason).includes('which a pod may still hold'), patienceMs);
    expect(pod.phase).toBe('Running');
    node.kubelet.remove(pod);
    await node.waitForStatus({ [gpuResource]: '0/0', 'nvidia.com/t4': '1/1' });
  });
});

describe.concurrent('names and exclusions', () => {
  it('each product by its own name, without what is excluded', async () => {
    await using node = await openKubeletNode({
      gpus: { gpus: [{ model: 't4', count: 2 }, { model: 'l4' }] },
    });
    const config = await node.writeConfig({
      exclude: [0],
      resources: { gpus: [{ pattern: 'Tesla T4', name: 't4' }] },
    });
    const agent = node.startAgent(['--config-file', config]);
    await node.waitForStatus({ 'nvidia.com/t4': '1/1', [gpuResource]: '1/1' });
    await agent.waitForLog(
      ({ msg }) => msg === "resources.gpus: no pattern fits 'NVIDIA L4': it is offered as nvidia.com/gpu",
    );
    const pod = await node.admit('p', 1, 'nvidia.com/t4');
    expect(node.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES']).toBe(node.gpuIds[1]);
  });
});
