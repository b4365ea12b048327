import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../../src/simulator/kubelet/pod.ts';
import { answerWith, healthy, resource } from '../fake-plugin.ts';
import { setUpKubelet, setUpPlugin } from '../node-setup.ts';

function podSpec(name: string, count: number): PodSpec {
  return { name, containers: [{ name: 'app', resources: { [resource]: count } }] };
}

describe('admission', () => {
  it('calls Allocate once for each container, with one container in each call', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    const pod = await kubelet.admit({
      name: 'p',
      containers: [
        { name: 'one', resources: { [resource]: 1 } },
        { name: 'two', resources: { [resource]: 2 } },
        { name: 'none' },
      ],
    });
    expect(pod.phase).toBe('Running');
    expect(plugin.allocateCalls.map((call) => call.map((ids) => ids.length))).toEqual([[1], [2]]);
    expect(new Set(plugin.allocateCalls.flat(2)).size).toBe(3);
    const [one] = kubelet.holdings();
    expect(one).toMatchObject({ container: 'one', resource, ids: plugin.allocateCalls[0]?.[0] });
    expect(one?.response).toEqual(answerWith(one?.ids ?? []));
  });

  it('gives ids in a random order that the seed decides', async () => {
    const ids = Array.from({ length: 20 }, (_, n) => `d${String(n)}`);
    const ask = async (seed: number): Promise<readonly string[]> => {
      const kubelet = await setUpKubelet({ seed });
      const plugin = await setUpPlugin(kubelet, { devices: healthy(...ids) });
      await kubelet.admit(podSpec('p', 20));
      return plugin.allocateCalls[0]?.[0] ?? [];
    };
    const [first, again, other] = [await ask(1), await ask(1), await ask(2)];
    expect(first.toSorted()).toEqual(ids.toSorted());
    expect(first).not.toEqual(ids);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('waits for a slow Allocate with every other pod, with devices or without', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    const release = Promise.withResolvers<void>();
    plugin.allocate = async (ids) => {
      await release.promise;
      return [answerWith(ids)];
    };
    const slow = kubelet.admit(podSpec('slow', 1));
    const plain = kubelet.admit({ name: 'plain', containers: [{ name: 'c' }] });
    await kubelet.waitUntil(
      () => plugin.allocateCalls.length === 1,
      5_000,
      () => 'Allocate is called',
    );
    expect(await Promise.race([plain, Promise.resolve('waiting')])).toBe('waiting');
    expect(kubelet.pods.map(({ phase }) => phase)).toEqual(['Pending', 'Pending']);
    release.resolve();
    expect((await slow).phase).toBe('Running');
    expect((await plain).phase).toBe('Running');
  });

  it("fails the pod with the plugin's own words, once", async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    plugin.allocate = () => {
      throw new Error('GPU 3 is on fire');
    };
    const pod = await kubelet.admit(podSpec('p', 1));
    expect(pod).toMatchObject({
      phase: 'Failed',
      reason: 'UnexpectedAdmissionError',
      message:
        'Pod was rejected: Allocate failed due to rpc error: code = FailedPrecondition desc = GPU 3 is on fire, which is unexpected',
    });
    expect(plugin.allocateCalls).toHaveLength(1);

    plugin.allocate = (ids) => [answerWith(ids)];
    expect((await kubelet.admit(podSpec('q', 4))).phase).toBe('Running');
  });

  it('fails the pod when the answer names no container', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    plugin.allocate = () => [];
    const pod = await kubelet.admit(podSpec('p', 1));
    expect(pod.message).toContain('no containers return in allocation response');
  });

  it.each([
    ['too few are free', ['a', 'b', 'c'], 'Requested: 2, Available: 1'],
    ['none is healthy', [], 'no healthy devices present; cannot allocate unhealthy devices example.com/gpu'],
  ])("fails the pod in kubelet's own words when %s, without a call", async (_, ids, text) => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { devices: healthy(...ids) });
    if (ids.length > 0) await kubelet.admit(podSpec('first', 2));
    const calls = plugin.allocateCalls.length;
    const pod = await kubelet.admit(podSpec('p', 2));
    expect(pod.phase).toBe('Failed');
    expect(pod.message).toContain(text);
    expect(plugin.allocateCalls).toHaveLength(calls);
  });

  it('runs a pod without a resource of which it has never heard', async () => {
    const kubelet = await setUpKubelet();
    expect(await kubelet.admit(podSpec('p', 1))).toMatchObject({ phase: 'Running' });
    expect(kubelet.holdings()).toEqual([]);
  });

  it('gives freed devices to the next pod, and unhealthy ones to none', async () => {
    const kubelet = await setUpKubelet();
    await setUpPlugin(kubelet, {
      devices: [...healthy('a'), { id: 'b', health: 'Unhealthy', numaNode: null }],
    });
    const first = await kubelet.admit(podSpec('first', 1));
    expect((await kubelet.admit(podSpec('early', 1))).message).toContain('Requested: 1, Available: 0');
    kubelet.finish(first, 'Succeeded');
    expect((await kubelet.admit(podSpec('second', 1))).phase).toBe('Running');
    expect(kubelet.holdings().map(({ pod, ids }) => [pod.name, ...ids])).toEqual([['second', 'a']]);
    expect(kubelet.duplicates()).toEqual([]);
  });

  it('crashes when an id leaves the list during its Allocate', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { devices: healthy('a') });
    plugin.allocate = async (ids) => {
      const from = kubelet.events.length;
      plugin.send(healthy('b'));
      await kubelet.waitForEvent('list', { from });
      return [answerWith(ids)];
    };
    await expect(kubelet.admit(podSpec('p', 1))).rejects.toThrow('crashed');
    expect(kubelet.crashed?.reason).toContain('a of example.com/gpu left the list');
    await expect(plugin.register()).rejects.toThrow('UNAVAILABLE');
  });
});

describe('init containers', () => {
  it('leaves their ids to the app containers, and not those of sidecars', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { devices: healthy('a', 'b', 'c', 'd', 'e', 'f') });
    await kubelet.admit({
      name: 'p',
      initContainers: [
        { name: 'side', restartable: true, resources: { [resource]: 1 } },
        { name: 'init', resources: { [resource]: 2 } },
      ],
      containers: [
        { name: 'app', resources: { [resource]: 3 } },
        { name: 'other', resources: { [resource]: 1 } },
      ],
    });
    const [side = [], init = [], app = [], other = []] = plugin.allocateCalls.map((call) => call[0] ?? []);
    expect(app).toEqual(expect.arrayContaining([...init]));
    expect(new Set([...side, ...app, ...other]).size).toBe(5);
    expect(kubelet.holdings().map(({ container }) => container)).toEqual(['side', 'app', 'other']);
    expect(kubelet.duplicates()).toEqual([]);
  });

  it('skips GetPreferredAllocation when reusable ids suffice', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { options: { preferredAllocationAvailable: true } });
    await kubelet.admit({
      name: 'p',
      initContainers: [{ name: 'init', resources: { [resource]: 2 } }],
      containers: [{ name: 'app', resources: { [resource]: 1 } }],
    });
    expect(plugin.preferenceCalls).toHaveLength(1);
    await kubelet.admit({
      name: 'q',
      initContainers: [{ name: 'init', resources: { [resource]: 1 } }],
      containers: [{ name: 'app', resources: { [resource]: 2 } }],
    });
    expect(plugin.preferenceCalls).toHaveLength(3);
    const [last] = plugin.preferenceCalls[2] ?? [];
    expect(last).toMatchObject({ size: 2, requiredIds: plugin.allocateCalls[2]?.[0] });
    expect(last?.availableIds).toEqual(expect.arrayContaining([...(last?.requiredIds ?? [])]));
  });
});

describe('GetPreferredAllocation', () => {
  it('decides the ids', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { options: { preferredAllocationAvailable: true } });
    plugin.prefer = () => ['b', 'd'];
    await kubelet.admit(podSpec('p', 2));
    expect(plugin.allocateCalls[0]?.[0]?.toSorted()).toEqual(['b', 'd']);
  });

  it('is asked even for the whole pool', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { options: { preferredAllocationAvailable: true } });
    await kubelet.admit(podSpec('p', 4));
    expect(plugin.preferenceCalls).toHaveLength(1);
  });

  it('has unknown and repeated ids dropped and the rest filled up', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { options: { preferredAllocationAvailable: true } });
    plugin.prefer = () => ['b', 'b', 'nonsense'];
    expect((await kubelet.admit(podSpec('p', 3))).phase).toBe('Running');
    const ids = plugin.allocateCalls[0]?.[0] ?? [];
    expect(ids).toContain('b');
    expect(ids).not.toContain('nonsense');
    expect(new Set(ids).size).toBe(3);
  });

  it('fails the pod with an error', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { options: { preferredAllocationAvailable: true } });
    plugin.prefer = () => {
      throw new Error('no taste');
    };
    const pod = await kubelet.admit(podSpec('p', 1));
    expect(pod.phase).toBe('Failed');
    expect(pod.message).toContain('device plugin GetPreferredAllocation rpc failed with err:');
    expect(pod.message).toContain('no taste');
    expect(plugin.allocateCalls).toHaveLength(0);
  });
});
