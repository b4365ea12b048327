import { describe, expect, it } from 'vitest';
import { listHealthyDevices } from '../../src/kubelet/pod-resources.ts';
import type { PodSpec } from '../../src/simulator/kubelet/pod.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { listPods } from './call-once.ts';
import { answerWith, healthy, resource } from './fake-plugin.ts';
import { setUpKubelet, setUpPlugin } from './node-setup.ts';

function podSpec(name: string, count: number = 1): PodSpec {
  return { name, namespace: 'team', containers: [{ name: 'app', resources: { [resource]: count } }] };
}

describe('pod resources', () => {
  it('lists app containers and sidecars of active pods, and no ordinary init container', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    await kubelet.admit({
      ...podSpec('p'),
      initContainers: [
        { name: 'init', resources: { [resource]: 2 } },
        { name: 'side', restartable: true, resources: { [resource]: 1 } },
      ],
    });
    const ended = await kubelet.admit(podSpec('ended'));
    kubelet.finish(ended, 'Succeeded');
    const [, side, app] = plugin.allocateCalls;
    expect(await listPods(kubelet)).toEqual([
      { namespace: 'team', pod: 'p', container: 'side', resourceName: resource, deviceIds: side?.[0] },
      { namespace: 'team', pod: 'p', container: 'app', resourceName: resource, deviceIds: app?.[0] },
    ]);
  });

  it('tells the healthy devices, held or not', async () => {
    const kubelet = await setUpKubelet();
    await setUpPlugin(kubelet, {
      devices: [...healthy('a', 'b'), { id: 'c', health: 'Unhealthy', numaNode: null }],
    });
    await kubelet.admit(podSpec('p'));
    const signal = new AbortController().signal;
    expect(await listHealthyDevices(kubelet.podResourcesSocket, signal)).toEqual([
      { resourceName: resource, deviceIds: ['a', 'b'] },
    ]);
  });

  it('answers 10 calls at once and 100 a second, for all clients together', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    for (let call = 0; call < 10; call += 1) await listPods(kubelet);
    await expect(listPods(kubelet)).rejects.toThrow('RESOURCE_EXHAUSTED: rejected by rate limit');
    await clock.advance(10);
    await listPods(kubelet);
    await expect(listPods(kubelet)).rejects.toThrow('RESOURCE_EXHAUSTED');
  });

  it('loses the ids in flight when a pod has died and List comes during an Allocate', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { devices: healthy('a', 'b') });
    const dead = await kubelet.admit(podSpec('dead'));
    plugin.allocate = async (ids) => {
      kubelet.finish(dead, 'Succeeded');
      await listPods(kubelet);
      return [answerWith(ids)];
    };
    const first = await kubelet.admit(podSpec('first'));
    const [id] = kubelet.holdings().find(({ pod }) => pod === first)?.ids ?? [];
    expect(kubelet.violations).toEqual([
      `pod resources List during an open Allocate of ${resource} for team/first/app: the kubelet forgot that ${id ?? ''} are taken`,
    ]);

    plugin.allocate = (ids) => [answerWith(ids)];
    await kubelet.admit(podSpec('second', 2));
    expect(kubelet.duplicates()).toEqual([{ resource, id, holders: ['team/first/app', 'team/second/app'] }]);
  });

  it('does no harm during an Allocate while no pod has died, but is seen', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    plugin.allocate = async (ids) => {
      await listPods(kubelet);
      return [answerWith(ids)];
    };
    await kubelet.admit(podSpec('p'));
    expect(kubelet.violations).toEqual([]);
    expect((await kubelet.waitForEvent('pods-listed')).openCalls).toBe(1);
    await listPods(kubelet);
    expect(
      (await kubelet.waitForEvent('pods-listed', { where: ({ openCalls }) => openCalls === 0 })).pods,
    ).toBe(1);
  });

  it('is empty for 0.45 s after a restart, then partial, then whole', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = await setUpPlugin(kubelet);
    for (const name of ['p', 'q', 'r']) await kubelet.admit(podSpec(name));
    await kubelet.restart();
    await plugin.listen();
    await plugin.register();
    await kubelet.waitForAllocatable(resource, 4);
    const count = async (): Promise<number> => (await listPods(kubelet)).length;
    await clock.advance(449);
    expect(await count()).toBe(0);
    await clock.advance(1);
    expect(await count()).toBe(1);
    await clock.advance(300);
    expect(await count()).toBe(2);
    await clock.advance(150);
    expect(await count()).toBe(3);
    expect((await kubelet.admit(podSpec('s', 2))).message).toContain('Requested: 2, Available: 1');
  });
});
