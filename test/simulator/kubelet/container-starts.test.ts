import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../support/manual-clock.ts';
import { answerWith, resource } from '../fake-plugin.ts';
import { setUpKubelet, setUpPlugin } from '../node-setup.ts';

const podSpec = { name: 'p', containers: [{ name: 'app', resources: { [resource]: 3 } }] };

describe('container starts', () => {
  it('replay the stored answer without another Allocate', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    const pod = await kubelet.admit(podSpec);
    const [ids = []] = plugin.allocateCalls[0] ?? [];
    expect(await kubelet.restartContainer(pod, 'app')).toEqual({ [resource]: answerWith(ids) });
    expect(plugin.allocateCalls).toHaveLength(1);
    expect(pod.containers[0]).toMatchObject({ state: 'Running', starts: 2 });
    expect(plugin.preStartCalls).toEqual([]);
  });

  it('call PreStartContainer each time when the plugin asks for it, with all ids in any order', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { options: { preStartRequired: true } });
    const pod = await kubelet.admit(podSpec);
    await kubelet.restartContainer(pod, 'app');
    await kubelet.restartContainer(pod, 'app');
    const ids = plugin.allocateCalls[0]?.[0]?.toSorted();
    expect(plugin.preStartCalls.map((call) => call.toSorted())).toEqual([ids, ids, ids]);
    expect(new Set(plugin.preStartCalls.map(String)).size).toBeGreaterThan(1);
  });

  it('are tried again for ever when PreStartContainer fails, and hold up no other pod', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = await setUpPlugin(kubelet, { options: { preStartRequired: true } });
    plugin.preStart = () => {
      throw new Error('still resetting');
    };
    const pod = await kubelet.admit(podSpec);
    expect(pod.phase).toBe('Pending');
    expect(pod.containers[0]).toMatchObject({ state: 'Waiting', reason: 'CreateContainerConfigError' });
    expect(pod.containers[0]?.message).toContain('still resetting');
    expect((await kubelet.admit({ name: 'q', containers: [{ name: 'c' }] })).phase).toBe('Running');

    await clock.advance(10_000);
    await kubelet.waitUntil(
      () => plugin.preStartCalls.length === 2,
      5_000,
      () => 'a second try',
    );
    plugin.preStart = () => undefined;
    await kubelet.waitUntil(
      () => clock.sleeping === 1,
      5_000,
      () => 'the pause before the third try',
    );
    await clock.advance(10_000);
    await kubelet.waitUntil(
      () => pod.phase === 'Running',
      5_000,
      () => 'the pod runs',
    );
  });

  it('go no more once the pod has ended', async () => {
    const kubelet = await setUpKubelet();
    await setUpPlugin(kubelet);
    const pod = await kubelet.admit(podSpec);
    kubelet.finish(pod, 'Succeeded');
    await expect(kubelet.restartContainer(pod, 'app')).rejects.toThrow('has no container app to restart');
    kubelet.remove(pod);
    expect(() => kubelet.finish(pod, 'Failed')).toThrow('is not on this node');
    expect(kubelet.holdings()).toEqual([]);
  });
});
