import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { healthy, resource } from './fake-plugin.ts';
import { setUpKubelet, setUpPlugin } from './node-setup.ts';

describe('ListAndWatch', () => {
  it('replaces the whole list with each message', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    plugin.send([...healthy('a'), { id: 'b', health: 'Unhealthy', numaNode: null }]);
    await kubelet.waitForAllocatable(resource, 1);
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 2, allocatable: 1 });
    plugin.send([]);
    await kubelet.waitForAllocatable(resource, 0);
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 0, allocatable: 0 });
  });

  it.each<[string, (plugin: Plugin, kubelet: Kubelet) => void]>([
    ['the plugin ends the stream', (plugin) => plugin.endStreams()],
    ['the plugin dies', (plugin) => plugin.die()],
    ['the connection breaks', (_, kubelet) => kubelet.dropStream(resource)],
  ])('is never asked for again when %s: capacity n, allocatable 0', async (_, end) => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    end(plugin, kubelet);
    await kubelet.waitForEvent('disconnected');
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 4, allocatable: 0 });
    await pause(150);
    expect(plugin.listCalls).toBe(1);
  });

  it('counts capacity for five minutes after the end, and keeps the key', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = await setUpPlugin(kubelet);
    kubelet.nodeStatus();
    plugin.endStreams();
    await kubelet.waitForEvent('disconnected');
    await clock.advance(5 * 60_000);
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 4, allocatable: 0 });
    await clock.advance(1);
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 0, allocatable: 0 });
  });

  it('dies of a list over 4 MiB, and the plugin sees only the end', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    const count = 82_000;
    plugin.send(healthy(...Array.from({ length: count }, (_, n) => `GPU-${String(n).padStart(36, '0')}`)));
    const end = await kubelet.waitForEvent('stream-ended');
    expect(end.error).toContain('code = ResourceExhausted');
    await kubelet.waitUntil(
      () => plugin.streams.size === 0,
      5_000,
      () => 'the plugin sees the end of its stream',
    );
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 4, allocatable: 0 });
  });

  it('takes a list just under 4 MiB', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    plugin.send(healthy(...Array.from({ length: 79_000 }, (_, n) => `GPU-${String(n).padStart(36, '0')}`)));
    await kubelet.waitForAllocatable(resource, 79_000);
  });

  it('goes on when the socket file is removed, or the whole folder', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    await kubelet.removePluginSocket(resource);
    await expect(rm(join(kubelet.devicePluginFolder, plugin.endpoint))).rejects.toThrow('ENOENT');
    await kubelet.recreateFolder();
    plugin.send(healthy('a'));
    await kubelet.waitForAllocatable(resource, 1);
  });
});

describe('one client for each resource name', () => {
  it('cuts the new plugin when the old stream ends, up to 1.36', async () => {
    const kubelet = await setUpKubelet();
    const old = await setUpPlugin(kubelet, { endpoint: 'old.sock' });
    const next = await setUpPlugin(kubelet, { endpoint: 'new.sock', devices: healthy('a', 'b') });
    expect((await kubelet.waitForEvent('registered', { from: 4 })).replacesLive).toBe(true);
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 2, allocatable: 2 });

    old.endStreams();
    const cut = await kubelet.waitForEvent('disconnected');
    expect(cut.endpoint).toBe('new.sock');
    await kubelet.waitUntil(
      () => next.streams.size === 0,
      5_000,
      () => 'the new plugin loses its stream',
    );
    await kubelet.waitForEvent('stream-ended', { where: ({ endpoint }) => endpoint === 'new.sock' });
    expect(kubelet.events.filter(({ kind }) => kind === 'disconnected')).toEqual([cut]);
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 2, allocatable: 0 });
  });

  it('leaves the new plugin alone, from 1.37 on', async () => {
    const kubelet = await setUpKubelet({ habits: { disconnectByName: false } });
    const old = await setUpPlugin(kubelet, { endpoint: 'old.sock' });
    const next = await setUpPlugin(kubelet, { endpoint: 'new.sock', devices: healthy('a', 'b') });
    old.endStreams();
    const gone = await kubelet.waitForEvent('disconnected');
    expect(gone.endpoint).toBe('old.sock');
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 2, allocatable: 2 });
    expect(next.streams.size).toBe(1);
    const pod = await kubelet.admit({ name: 'p', containers: [{ name: 'c', resources: { [resource]: 1 } }] });
    expect(pod.phase).toBe('Running');
    next.endStreams();
    await kubelet.waitForAllocatable(resource, 0);
  });

  it('goes on taking lists from the old stream while the new one lives', async () => {
    const kubelet = await setUpKubelet();
    const old = await setUpPlugin(kubelet, { endpoint: 'old.sock' });
    await setUpPlugin(kubelet, { endpoint: 'new.sock', devices: healthy('a', 'b') });
    old.send(healthy('x'));
    await kubelet.waitForAllocatable(resource, 1);
    expect(kubelet.devices(resource).map(({ id }) => id)).toEqual(['x']);
  });
});

type Kubelet = Awaited<ReturnType<typeof setUpKubelet>>;
type Plugin = Awaited<ReturnType<typeof setUpPlugin>>;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
