import { lstat, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PodSpec } from '../../src/simulator/kubelet/pod.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { answerWith, healthy, resource, type FakePlugin } from './fake-plugin.ts';
import { setUpKubelet, setUpPlugin } from './node-setup.ts';

function podSpec(name: string, count: number = 1): PodSpec {
  return { name, containers: [{ name: 'app', resources: { [resource]: count } }] };
}

const withInit: PodSpec = {
  ...podSpec('with-init'),
  initContainers: [{ name: 'init', resources: { [resource]: 1 } }],
};

describe('a kubelet restart', () => {
  it('leaves the old kubelet.sock as it was while down, then makes another', async () => {
    const kubelet = await setUpKubelet();
    const before = await lstat(kubelet.registrationSocket);
    await kubelet.stop();
    const down = await lstat(kubelet.registrationSocket);
    expect([down.ino, down.ctimeMs]).toEqual([before.ino, before.ctimeMs]);
    await kubelet.restart();
    const after = await lstat(kubelet.registrationSocket);
    expect(after.isSocket()).toBe(true);
    expect([after.ino, after.ctimeMs]).not.toEqual([before.ino, before.ctimeMs]);
  });

  it('deletes every socket in the folder and no other file', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet);
    await kubelet.admit(podSpec('p'));
    await writeFile(join(kubelet.devicePluginFolder, 'lock'), '');
    const stray = createServer().listen(join(kubelet.devicePluginFolder, 'stray.sock'));
    onTestFinished(() => void stray.close());
    await kubelet.restart();
    expect((await readdir(kubelet.devicePluginFolder)).toSorted()).toEqual([
      'DEPRECATION',
      'kubelet.sock',
      'kubelet_internal_checkpoint',
      'lock',
    ]);
    await kubelet.waitUntil(
      () => plugin.streams.size === 0,
      5_000,
      () => 'the plugin sees the end of its stream',
    );
    expect(kubelet.nodeStatus()[resource]).toEqual({ capacity: 0, allocatable: 0 });
  });

  it('keeps pods and ids and calls Allocate for none of them', async () => {
    const { clock, kubelet, plugin } = await setUpNode();
    await kubelet.admit(podSpec('p', 2));
    await kubelet.admit(withInit);
    const held = kubelet.holdings();
    const calls = plugin.allocateCalls.length;
    await restart(kubelet, plugin);
    await clock.advance(900);
    await kubelet.waitUntil(
      () => kubelet.pods.every(({ phase }) => phase === 'Running'),
      5_000,
      () => 'the pods run',
    );
    const next = await kubelet.admit(podSpec('next'));
    expect(next.phase).toBe('Running');
    expect(plugin.allocateCalls).toHaveLength(calls + 1);
    expect(kubelet.holdings().slice(0, held.length)).toEqual(held);
    expect(kubelet.duplicates()).toEqual([]);
  });

  it('kills pods with a finished init container when no plugin is back in time, and spares the others', async () => {
    const { clock, kubelet } = await setUpNode();
    const plain = await kubelet.admit(podSpec('plain'));
    const killed = await kubelet.admit(withInit);
    await kubelet.restart();
    await clock.advance(899);
    expect(killed.phase).toBe('Running');
    await clock.advance(1);
    expect(killed).toMatchObject({ phase: 'Failed', reason: 'UnexpectedAdmissionError' });
    expect(killed.message).toContain(
      'no healthy devices present; cannot allocate unhealthy devices example.com/gpu',
    );
    expect(killed.containers.map(({ state }) => state)).toEqual(['Terminated', 'Terminated']);
    expect(plain.phase).toBe('Running');
  });

  it('kills pods with a finished init container whose ids are unhealthy then', async () => {
    const { clock, kubelet, plugin } = await setUpNode();
    const pod = await kubelet.admit(withInit);
    const held = plugin.allocateCalls.flat(2);
    plugin.devices = plugin.devices.map((device) =>
      held.includes(device.id) ? { ...device, health: 'Unhealthy' } : device,
    );
    await restart(kubelet, plugin);
    await clock.advance(900);
    expect(pod.phase).toBe('Failed');
    expect(pod.message).toContain('previously allocated devices are no longer healthy');
  });

  it('admits again what was in admission when it stopped', async () => {
    const { clock, kubelet, plugin } = await setUpNode();
    plugin.allocate = () => Promise.withResolvers<never>().promise;
    const admission = kubelet.admit(podSpec('p'));
    await kubelet.waitUntil(
      () => plugin.allocateCalls.length === 1,
      5_000,
      () => 'Allocate is called',
    );
    await kubelet.stop();
    await expect(admission).rejects.toThrow('The stand-in kubelet stopped');
    expect(kubelet.pods[0]?.phase).toBe('Pending');
    const late = kubelet.admit(podSpec('late'));

    plugin.allocate = (ids) => [answerWith(ids)];
    await restart(kubelet, plugin);
    await clock.advance(900);
    expect((await late).phase).toBe('Running');
    expect(kubelet.pods.map(({ phase }) => phase)).toEqual(['Running', 'Running']);
    expect(plugin.allocateCalls).toHaveLength(3);
  });

  it('starts again after a crash', async () => {
    const { clock, kubelet, plugin } = await setUpNode();
    plugin.allocate = async (ids) => {
      const from = kubelet.events.length;
      plugin.send(healthy('z'));
      await kubelet.waitForEvent('list', { from });
      return [answerWith(ids)];
    };
    await expect(kubelet.admit(podSpec('p'))).rejects.toThrow('crashed');
    plugin.allocate = (ids) => [answerWith(ids)];
    await restart(kubelet, plugin);
    expect(kubelet.crashed).toBeNull();
    await clock.advance(900);
    await kubelet.waitUntil(
      () => kubelet.pods[0]?.phase === 'Running',
      5_000,
      () => 'the pod runs',
    );
    expect(kubelet.holdings()[0]?.ids).toEqual(['z']);
  });

  it('waits downMs of the clock before the new start', async () => {
    const { clock, kubelet } = await setUpNode();
    const restarting = kubelet.restart({ downMs: 3_000 });
    await kubelet.waitForEvent('stopped');
    await kubelet.waitUntil(
      () => clock.sleeping === 1,
      5_000,
      () => 'the kubelet is down',
    );
    await clock.advance(2_999);
    expect(kubelet.events.filter(({ kind }) => kind === 'started')).toHaveLength(1);
    await clock.advance(1);
    await restarting;
    expect(kubelet.events.filter(({ kind }) => kind === 'started')).toHaveLength(2);
  });
});

describe('a reboot', () => {
  it('fails pods with devices when no plugin is back in time', async () => {
    const { clock, kubelet } = await setUpNode();
    const plain = await kubelet.admit({ name: 'plain', containers: [{ name: 'c' }] });
    const pod = await kubelet.admit(podSpec('p'));
    await kubelet.reboot();
    await clock.advance(900);
    expect(pod.phase).toBe('Failed');
    await kubelet.waitUntil(
      () => plain.containers[0]?.starts === 2,
      5_000,
      () => 'the pod without devices is started again',
    );
  });

  it('starts pods again with the stored answer when their ids are healthy', async () => {
    const { clock, kubelet, plugin } = await setUpNode();
    const pod = await kubelet.admit(podSpec('p'));
    const before = kubelet.holdings();
    await kubelet.stop();
    await kubelet.reboot();
    await plugin.listen();
    await plugin.register();
    await kubelet.waitForAllocatable(resource, 4);
    expect(pod.containers[0]?.state).toBe('Waiting');
    await clock.advance(900);
    await kubelet.waitUntil(
      () => pod.containers[0]?.starts === 2,
      5_000,
      () => 'the container is started again',
    );
    expect(kubelet.holdings()).toEqual(before);
    expect(plugin.allocateCalls).toHaveLength(1);
  });
});

type Kubelet = Awaited<ReturnType<typeof setUpKubelet>>;

async function setUpNode(): Promise<{ clock: ManualClock; kubelet: Kubelet; plugin: FakePlugin }> {
  const clock = new ManualClock();
  const kubelet = await setUpKubelet({ clock });
  return { clock, kubelet, plugin: await setUpPlugin(kubelet) };
}

/** A restart with a plugin that registers again at once. */
async function restart(kubelet: Kubelet, plugin: FakePlugin): Promise<void> {
  await kubelet.restart();
  const from = kubelet.events.length;
  await plugin.listen();
  await plugin.register();
  await kubelet.waitForEvent('list', { from });
}
