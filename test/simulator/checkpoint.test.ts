import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeContainerResponse } from '../../src/kubelet/wire.ts';
import {
  checkpointName,
  decodeCheckpoint,
  encodeCheckpoint,
} from '../../src/simulator/kubelet/checkpoint-file.ts';
import type { StandInKubelet } from '../../src/simulator/kubelet/kubelet.ts';
import type { PodSpec } from '../../src/simulator/kubelet/pod.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { listPods } from './call-once.ts';
import { answerWith, healthy, resource, type FakePlugin } from './fake-plugin.ts';
import { setUpKubelet, setUpPlugin } from './node-setup.ts';

const podSpec: PodSpec = { name: 'p', containers: [{ name: 'app', resources: { [resource]: 2 } }] };

interface CheckpointText {
  Data: {
    PodDeviceEntries: { PodUID: string; DeviceIDs: Record<string, string[]>; AllocResp: string }[] | null;
    RegisteredDevices: Record<string, string[]>;
  };
  Checksum: number;
}

async function readCheckpoint(kubelet: StandInKubelet): Promise<CheckpointText> {
  return JSON.parse(
    await readFile(join(kubelet.devicePluginFolder, checkpointName), 'utf8'),
  ) as CheckpointText;
}

async function entryCount(kubelet: StandInKubelet): Promise<number> {
  return (await readCheckpoint(kubelet)).Data.PodDeviceEntries?.length ?? 0;
}

async function sendAndWait(kubelet: StandInKubelet, plugin: FakePlugin): Promise<void> {
  const from = kubelet.events.length;
  plugin.send(plugin.devices);
  const list = await kubelet.waitForEvent('list', { from });
  await kubelet.waitForEvent('checkpoint-written', { from: kubelet.events.indexOf(list) });
}

describe('the checkpoint', () => {
  it('has the entries by NUMA node, the answer, and the healthy ids', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, {
      devices: [
        ...healthy('a'),
        { id: 'b', health: 'Healthy', numaNode: 1 },
        { id: 'c', health: 'Unhealthy', numaNode: 1 },
      ],
    });
    const pod = await kubelet.admit(podSpec);
    const { Data, Checksum } = await readCheckpoint(kubelet);
    const [entry] = Data.PodDeviceEntries ?? [];
    expect(entry).toMatchObject({
      PodUID: pod.uid,
      ContainerName: 'app',
      ResourceName: resource,
      DeviceIDs: { '-1': ['a'], '1': ['b'] },
    });
    expect(decodeContainerResponse(Buffer.from(entry?.AllocResp ?? '', 'base64'))).toEqual(
      answerWith(plugin.allocateCalls[0]?.[0] ?? []),
    );
    expect(Data.RegisteredDevices[resource]?.toSorted()).toEqual(['a', 'b']);
    expect(Checksum).toBeGreaterThan(0);
    expect(
      (await readdir(kubelet.devicePluginFolder)).filter((name) => /^\.\d/.test(name)),
      'no temporary file is left',
    ).toEqual([]);
  });

  it('says null for no entries, as Go does', async () => {
    const kubelet = await setUpKubelet();
    const plugin = await setUpPlugin(kubelet, { devices: [] });
    await sendAndWait(kubelet, plugin);
    expect((await readCheckpoint(kubelet)).Data).toEqual({
      PodDeviceEntries: null,
      RegisteredDevices: { [resource]: [] },
    });
  });

  it('reads back what it writes', () => {
    const content = {
      entries: [
        {
          podUid: 'u',
          container: 'c',
          resource,
          idsByNumaNode: new Map([[-1, ['a', 'b']]]),
          response: answerWith(['a', 'b']),
        },
      ],
      healthyIds: new Map([[resource, ['a']]]),
    };
    expect(decodeCheckpoint(encodeCheckpoint(content))).toEqual(content);
  });

  it('keeps dead pods after a restart until all pods are known again', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = await setUpPlugin(kubelet);
    const pod = await kubelet.admit(podSpec);
    await kubelet.stop();
    kubelet.remove(pod);
    await kubelet.restart();
    await plugin.listen();
    await plugin.register();
    await kubelet.waitForAllocatable(resource, 4);
    await clock.advance(899);
    await listPods(kubelet);
    await sendAndWait(kubelet, plugin);
    expect(await entryCount(kubelet)).toBe(1);
    await clock.advance(1);
    await listPods(kubelet);
    await sendAndWait(kubelet, plugin);
    expect(await entryCount(kubelet)).toBe(0);
  });

  it('can be overtaken by a newer write', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = await setUpPlugin(kubelet);
    await kubelet.waitForEvent('checkpoint-written');
    kubelet.faults.checkpointDelaysMs.push(1_000);
    const from = kubelet.events.length;
    plugin.send(healthy('a', 'b'));
    await kubelet.waitForEvent('list', { from });
    await kubelet.admit(podSpec);
    expect(await entryCount(kubelet)).toBe(1);
    await clock.advance(1_000);
    await kubelet.waitUntil(
      () => kubelet.events.slice(from).filter(({ kind }) => kind === 'checkpoint-written').length === 2,
      5_000,
      () => 'the older content lands last',
    );
    expect(await entryCount(kubelet)).toBe(0);
  });

  it.each([
    ['missing', (path: string) => rm(path)],
    ['unreadable', (path: string) => writeFile(path, '{"Data":')],
  ])('that is %s at the start means that nothing is allocated', async (_, spoil) => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = await setUpPlugin(kubelet);
    await kubelet.admit(podSpec);
    await kubelet.stop();
    await spoil(join(kubelet.devicePluginFolder, checkpointName));
    await kubelet.restart();
    await plugin.listen();
    await plugin.register();
    await kubelet.waitForAllocatable(resource, 4);
    await clock.advance(900);
    expect(
      (await kubelet.admit({ name: 'q', containers: [{ name: 'c', resources: { [resource]: 4 } }] })).phase,
    ).toBe('Running');
    expect(kubelet.duplicates()).toHaveLength(2);
  });
});
