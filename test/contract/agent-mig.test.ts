import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CdiSpec } from '../../src/allocation/cdi/cdi-spec.ts';
import { parseScenario } from '../../src/inventory/simulated/scenario.ts';
import { toSnapshot } from '../../src/inventory/simulated/to-snapshot.ts';
import { bookings, openKubeletNode, patienceMs, type ScenarioContent } from './support/kubelet-node.ts';

const mixed = ['--mig-strategy', 'mixed'];
const small = 'nvidia.com/mig-1g.5gb';

/** One GPU in MIG mode with these instances, and one without. */
function node(mig: readonly string[] | 'off'): ScenarioContent {
  return { gpus: [{ model: 'a100-sxm4-40gb', mig }, { model: 'a100-sxm4-40gb' }] };
}

/** The instances that the driver of the scenario shows on GPU 0. */
function instancesOf(content: ScenarioContent) {
  const scenario = parseScenario(JSON.stringify(content), 'node.yaml', 'node');
  return toSnapshot(scenario, scenario.gpus).gpus[0]?.migInstances ?? [];
}

describe.concurrent('the strategy mixed', () => {
  const content = node(['3g.20gb', '1g.5gb', '1g.5gb']);

  it('offers GPUs and profiles side by side, and gives a pod its instance by UUID', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: content });
    kubeletNode.startAgent(mixed);
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      'nvidia.com/mig-3g.20gb': '1/1',
      [small]: '2/2',
    });
    const pods = [await kubeletNode.admit('a', 1, small), await kubeletNode.admit('b', 1, small)];
    const given = pods.map((pod) => kubeletNode.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES'] ?? '');
    const instances = instancesOf(content).filter(({ profile }) => profile === '1g.5gb');
    expect(given.toSorted()).toEqual(instances.map(({ uuid }) => uuid).toSorted());
    const whole = await kubeletNode.admit('whole', 1);
    expect(kubeletNode.answerOf(whole).envs['NVIDIA_VISIBLE_DEVICES']).toBe(kubeletNode.gpuIds[1]);
    expect((await kubeletNode.admit('late', 1, small)).phase).toBe('Failed');
    expect(kubeletNode.kubelet.duplicates()).toEqual([]);
    expect(kubeletNode.kubelet.violations).toEqual([]);
  });

  it('hands over the nodes of the parent and of the capabilities, and the index i:j', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: content });
    kubeletNode.startAgent([
      ...mixed,
      '--pass-device-specs',
      '--device-id-strategy',
      'index',
      '--dev-root',
      '/run/d',
    ]);
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      'nvidia.com/mig-3g.20gb': '1/1',
      [small]: '2/2',
    });
    const pod = await kubeletNode.admit('a', 2, small);
    const { envs, devices } = kubeletNode.answerOf(pod);
    expect(envs['NVIDIA_VISIBLE_DEVICES']).toBe('0:1,0:2');
    const caps = instancesOf(content)
      .slice(1)
      .flatMap(({ capabilityNodes }) => capabilityNodes);
    expect(caps).toHaveLength(4);
    expect(devices.map(({ hostPath }) => hostPath)).toEqual(
      ['/dev/nvidia0', ...caps.slice(0, 2), ...caps.slice(2)].map((path) => `/run/d${path}`),
    );
    expect(devices.map(({ containerPath }) => containerPath)).toEqual(['/dev/nvidia0', ...caps]);
  });

  it('is re-shaped while pods run: the sibling keeps its pod and its id, what is new is offered, what is gone leaves', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: content });
    const agent = kubeletNode.startAgent(mixed);
    const big = 'nvidia.com/mig-3g.20gb';
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '1/1', [big]: '1/1', [small]: '2/2' });
    const training = await kubeletNode.admit('training', 1, big);
    const before = bookings(kubeletNode.kubelet);
    const ids = kubeletNode.kubelet.devices(big).map(({ id }) => id);
    await kubeletNode.writeScenario(node(['3g.20gb', '2g.10gb']));
    // The two small instances are Unhealthy first and leave when the kubelet has said that nobody holds them.
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      [big]: '1/1',
      [small]: '0/2',
      'nvidia.com/mig-2g.10gb': '1/1',
    });
    const { reason } = await agent.waitForLog(({ msg }) => msg === 'MIG instance is unhealthy', patienceMs);
    expect(reason).toBe('the MIG instance no longer exists');
    expect((await kubeletNode.admit('next', 1, 'nvidia.com/mig-2g.10gb')).phase).toBe('Running');
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      [big]: '1/1',
      [small]: '0/0',
      'nvidia.com/mig-2g.10gb': '1/1',
    });
    await kubeletNode.writeScenario(content);
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      [big]: '1/1',
      [small]: '2/2',
      'nvidia.com/mig-2g.10gb': '0/1',
    });
    expect(kubeletNode.kubelet.devices(big).map(({ id }) => id)).toEqual(ids);
    expect(training.phase).toBe('Running');
    expect(bookings(kubeletNode.kubelet)).toMatchObject(before);
    expect(kubeletNode.kubelet.crashed).toBeNull();
    expect(kubeletNode.kubelet.violations).toEqual([]);
  });

  it('gives instances by CDI name, which the spec has before they are offered', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: content });
    kubeletNode.startAgent([...mixed, '--device-list-strategy', 'cdi-cri', '--driver-root', '/nowhere']);
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      'nvidia.com/mig-3g.20gb': '1/1',
      [small]: '2/2',
    });
    const pod = await kubeletNode.admit('a', 1, small);
    const [name = ''] = kubeletNode.answerOf(pod).cdiDevices;
    const uuid = name.replace('k8s.device-plugin.nvidia.com/gpu=', '');
    const given = instancesOf(content).find((each) => each.uuid === uuid);
    const path = join(kubeletNode.folder, 'cdi/k8s.device-plugin.nvidia.com-gpu.json');
    const spec = JSON.parse(await readFile(path, 'utf8')) as CdiSpec;
    const device = spec.devices.find((each) => each.name === uuid);
    expect(device?.containerEdits.deviceNodes?.map((node) => node.path)).toEqual([
      '/dev/nvidia0',
      ...(given?.capabilityNodes ?? ['none']),
    ]);
    await kubeletNode.writeScenario(node(['3g.20gb', '2g.10gb']));
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      'nvidia.com/mig-3g.20gb': '1/1',
      [small]: '0/2',
      'nvidia.com/mig-2g.10gb': '1/1',
    });
    const next = await kubeletNode.admit('b', 1, 'nvidia.com/mig-2g.10gb');
    const [newName] = kubeletNode.answerOf(next).cdiDevices;
    const anew = JSON.parse(await readFile(path, 'utf8')) as CdiSpec;
    expect(anew.devices.map((each) => `${anew.kind}=${each.name}`)).toContain(newName);
  });

  it('a compute instance is a profile of its own, and stops nothing', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: node(['1c.3g.20gb', '2g.10gb']) });
    kubeletNode.startAgent(mixed);
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      'nvidia.com/mig-1c.3g.20gb': '1/1',
      'nvidia.com/mig-2g.10gb': '1/1',
    });
    expect((await kubeletNode.admit('p', 1, 'nvidia.com/mig-1c.3g.20gb')).phase).toBe('Running');
  });

  it('a GPU in MIG mode without instances offers nothing, and says so once', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: node([]) });
    const agent = kubeletNode.startAgent(mixed);
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '1/1' });
    await kubeletNode.setGpu(1, 'lost');
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '0/1' });
    expect(agent.log.filter(({ msg }) => msg.includes('is in MIG mode and has no instance'))).toHaveLength(1);
  });

  it('a GPU that is lost takes all its instances with it, and no other', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: content });
    kubeletNode.startAgent(mixed);
    const good = { 'nvidia.com/gpu': '1/1', 'nvidia.com/mig-3g.20gb': '1/1', [small]: '2/2' };
    await kubeletNode.waitForStatus(good);
    await kubeletNode.setGpu(0, 'lost');
    await kubeletNode.waitForStatus({
      'nvidia.com/gpu': '1/1',
      'nvidia.com/mig-3g.20gb': '0/1',
      [small]: '0/2',
    });
    await kubeletNode.setGpu(0, 'present');
    await kubeletNode.waitForStatus(good);
  });
});

describe.concurrent('the strategies none and single', () => {
  it('none offers the GPU whole and says so once', async () => {
    await using kubeletNode = await openKubeletNode({ gpus: node(['1g.5gb']) });
    const agent = await kubeletNode.startServingAgent();
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '2/2' });
    const said = (): number =>
      agent.log.filter(({ msg }) => msg.includes('is in MIG mode and offered whole')).length;
    await kubeletNode.setGpu(1, 'lost');
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '1/2' });
    expect(said()).toBe(1);
  });

  it('single keeps the shape that a pod holds through a crash, whatever GPU comes first then', async () => {
    const gpus = (first: string): ScenarioContent => ({
      gpus: [
        { model: 'a100-sxm4-40gb', mig: [first] },
        { model: 'a100-sxm4-40gb', mig: ['1g.5gb', '1g.5gb'] },
      ],
    });
    await using kubeletNode = await openKubeletNode({ gpus: gpus('1g.5gb') });
    const first = kubeletNode.startAgent(['--mig-strategy', 'single']);
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '3/3' });
    const pod = await kubeletNode.admit('p', 3);
    first.signal('SIGKILL');
    await first.exit;
    kubeletNode.kubelet.remove(pod);
    await kubeletNode.writeScenario(gpus('3g.20gb'));
    kubeletNode.startAgent(['--mig-strategy', 'single']);
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '2/2' });
    expect(kubeletNode.kubelet.crashed).toBeNull();
  });

  it('single offers instances of one shape as GPUs, keeps to it, and names the GPU that does not fit', async () => {
    const gpus = (first: readonly string[]): ScenarioContent => ({
      gpus: [
        { model: 'a100-sxm4-40gb', mig: first },
        { model: 'a100-sxm4-40gb', mig: ['1g.5gb', '1g.5gb'] },
        { model: 't4' },
      ],
    });
    await using kubeletNode = await openKubeletNode({ gpus: gpus(['1g.5gb']) });
    const agent = kubeletNode.startAgent(['--mig-strategy', 'single']);
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '3/3' });
    await agent.waitForLog(
      ({ msg }) => /^GPU 2 .*is not in MIG mode and is not offered/.test(msg),
      patienceMs,
    );
    const pod = await kubeletNode.admit('p', 3);
    expect(kubeletNode.answerOf(pod).envs['NVIDIA_VISIBLE_DEVICES']?.split(',')).toHaveLength(3);
    kubeletNode.kubelet.remove(pod);
    await kubeletNode.writeScenario(gpus(['3g.20gb']));
    await agent.waitForLog(({ msg }) => /^GPU 0 .*instances of another profile/.test(msg), patienceMs);
    await kubeletNode.waitForStatus({ 'nvidia.com/gpu': '2/2' });
  });
});
