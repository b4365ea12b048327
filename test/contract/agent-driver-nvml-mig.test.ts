import { describe, expect, it } from 'vitest';
import { setScenario, skipNvml, startOnStandIn, tell } from './support/nvml-agent.ts';
import { gpuResource, type RunningAgent } from './support/running-agent.ts';

const [small, middle, big] = ['nvidia.com/mig-1g.10gb', 'nvidia.com/mig-2g.20gb', 'nvidia.com/mig-3g.40gb'];

/** `allocatable/capacity` of each resource that the node has or had. */
async function waitForStatus(node: RunningAgent, wanted: Readonly<Record<string, string>>): Promise<void> {
  const ask = (): Record<string, string> =>
    Object.fromEntries(
      Object.entries(node.kubelet.nodeStatus()).map(([name, { allocatable, capacity }]) => [
        name,
        `${allocatable}/${capacity}`,
      ]),
    );
  const isSo = (seen: Record<string, string>): boolean =>
    Object.entries(wanted).every(([name, counts]) => seen[name] === counts);
  await node.poll(ask, isSo, JSON.stringify(wanted));
}

/** Puts a pod on the node; the UUID that it was given. */
async function give(node: RunningAgent, name: string, resource: string): Promise<string> {
  const pod = await node.kubelet.admit({
    name,
    containers: [{ name: 'main', resources: { [resource]: 1 } }],
  });
  return pod.containers[0]?.given.get(resource)?.response.envs['NVIDIA_VISIBLE_DEVICES'] ?? pod.message;
}

// Changes come by the driver alone: the GPUs are read every 30 s without one.
describe.skipIf(skipNvml)("MIG by NVIDIA's library", () => {
  it('is offered by profile, and shaped anew beside a pod that runs', async () => {
    const mixed = ['gpus 2', 'gpu 0 mig on', 'mig 0 2 0 3g.40gb 40448'];
    await using node = await startOnStandIn(
      [...mixed, 'mig 0 9 0 1g.10gb 9984', 'mig 0 10 0 1g.10gb 9984'].join('\n'),
      ['--mig-strategy', 'mixed'],
    );
    await waitForStatus(node, { [gpuResource]: '1/1', [big]: '1/1', [small]: '2/2' });
    const training = await give(node, 'training', big);
    expect(training).toMatch(/^MIG-/);
    await setScenario(node, [...mixed, 'mig 0 5 0 2g.20gb 20096'].join('\n'));
    await waitForStatus(node, { [gpuResource]: '1/1', [big]: '1/1', [small]: '0/2', [middle]: '1/1' });
    expect(await give(node, 'next', middle)).toMatch(/^MIG-/);
    await waitForStatus(node, { [big]: '1/1', [small]: '0/0' });
    expect(node.kubelet.devices(big).map(({ id }) => id)).toEqual([training]);
    expect(node.kubelet.duplicates()).toEqual([]);
    expect(node.kubelet.violations).toEqual([]);
  });

  it('is offered as GPUs where all have one shape, and follows what is made and destroyed', async () => {
    const one = ['gpus 1', 'gpu 0 mig on', 'mig 0 9 0 1g.10gb 9984'];
    await using node = await startOnStandIn([...one, 'mig 0 10 0 1g.10gb 9984'].join('\n'), [
      '--mig-strategy',
      'single',
    ]);
    await waitForStatus(node, { [gpuResource]: '2/2' });
    const ids = node.kubelet.devices(gpuResource).map(({ id }) => id);
    expect(await give(node, 'a', gpuResource)).toBe(ids[0]);
    await setScenario(node, one.join('\n'));
    await waitForStatus(node, { [gpuResource]: '1/2' });
    await setScenario(node, [...one, 'mig 0 10 0 1g.10gb 9984', 'mig 0 11 0 1g.10gb 9984'].join('\n'));
    await waitForStatus(node, { [gpuResource]: '3/3' });
    expect(node.kubelet.devices(gpuResource).map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    expect(node.kubelet.violations).toEqual([]);
  });

  const cut = ['gpus 2', 'gpu 0 mig on', 'mig 0 2 0 3g.40gb 40448', 'mig 0 9 0 1g.10gb 9984'];
  const alike = [
    'gpus 2',
    'gpu * mig on',
    'mig 0 9 0 1g.10gb 9984',
    'mig 0 10 0 1g.10gb 9984',
    'mig 1 9 0 1g.10gb 9984',
  ];

  it.each([
    ['mixed', cut, '0 xid 95 2 0', { [gpuResource]: '1/1', [big]: '0/1', [small]: '1/1' }],
    ['mixed', cut, '0 xid 95 2 -', { [gpuResource]: '1/1', [big]: '0/1', [small]: '1/1' }],
    ['mixed', cut, '0 xid 95', { [gpuResource]: '1/1', [big]: '0/1', [small]: '0/1' }],
    ['mixed', cut, '0 xid 95 5 0', { [gpuResource]: '1/1', [big]: '0/1', [small]: '0/1' }],
    ['single', alike, '0 xid 95 10 0', { [gpuResource]: '2/3' }],
    ['single', alike, '0 xid 95', { [gpuResource]: '1/3' }],
    ['none', cut, '0 xid 95 2 0', { [gpuResource]: '1/2' }],
    ['none', cut, '0 xid 95', { [gpuResource]: '1/2' }],
  ] as const)(
    'with %s, every device in use: of %j the driver tells %s, and is reset',
    async (strategy, lines, event, wanted) => {
      const all = Object.fromEntries(
        Object.entries<string>(wanted).map(([name, counts]) => [
          name,
          counts.replace(/^\d+/, counts.slice(-1)),
        ]),
      );
      await using node = await startOnStandIn(lines.join('\n'), ['--mig-strategy', strategy]);
      await waitForStatus(node, all);
      for (const [name, counts] of Object.entries(all))
        for (let pod = 0; pod < Number(counts.slice(-1)); pod += 1)
          expect(await give(node, `${name}-${pod}`, name)).toMatch(/^(GPU|MIG)-/);
      await tell(node, event, waitForStatus(node, wanted), lines.join('\n'));
      // The driver wants a reset, and then none: that is what one looks like.
      await setScenario(node, [...lines, 'gpu 0 recovery-action 1'].join('\n'));
      await node.waitForLog('the driver asks for a reset of the GPU');
      await setScenario(node, lines.join('\n'));
      await waitForStatus(node, all);
      expect(node.kubelet.violations).toEqual([]);
    },
  );
});
