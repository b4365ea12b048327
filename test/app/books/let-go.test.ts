import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { letLeaversGo } from '../../../src/app/books/let-go.ts';
import type { ContainerDevices } from '../../../src/kubelet/contract.ts';
import { servePodResources } from '../../kubelet/serve-at.ts';
import { settle } from '../../support/manual-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { shortFolder } from '../../support/short-folder.ts';
import { asPlan, nodeFacts, planned, testOffer } from '../test-offer.ts';

function held(...deviceIds: string[]): ContainerDevices {
  return { namespace: 'default', pod: 'p', container: 'main', resourceName: 'nvidia.com/gpu', deviceIds };
}

/** A running task over an offer of two GPUs of which one has just left the node, and a kubelet's two records. */
async function leave() {
  const folder = await shortFolder();
  const socket = join(folder, 'pod-resources.sock');
  const order: string[] = [];
  let listed: readonly ContainerDevices[] = [];
  const podResources = await servePodResources(socket, () => {
    order.push('listed');
    return listed;
  });
  const node = testOffer();
  const { offer, other, clock } = node;
  offer.update(asPlan([planned(0), planned(1)]), nodeFacts);
  offer.update(asPlan([planned(0)]), nodeFacts);
  const stop = new AbortController();
  const { log, lines } = recordingLog();
  const departures: string[] = [];
  const deps = {
    kubeletFolder: folder,
    podResourcesSocket: socket,
    clock,
    log,
    calls: node.books.calls,
    onLeft: () => void departures.push('left'),
  };
  const running = letLeaversGo(() => [offer, other], deps, stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
  });
  const writeCheckpoint = (...deviceIds: string[]): Promise<void> => {
    const entry = {
      PodUID: 'uid',
      ContainerName: 'main',
      ResourceName: 'nvidia.com/gpu',
      DeviceIDs: { '0': deviceIds },
    };
    return writeFile(
      join(folder, 'kubelet_internal_checkpoint'),
      JSON.stringify({ Data: { PodDeviceEntries: [entry] } }),
    );
  };
  /** Moves the clock on second by second; whenever the task does not sleep it waits for the kubelet, and is waited for. */
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await clock.advance(1000);
      while (clock.sleeping === 0) await settle(1);
    }
  };
  return {
    ...node,
    folder,
    order,
    departures,
    lines,
    stop,
    running,
    asked: podResources.calls,
    listed: () => offer.list.value.map(({ id }) => id),
    hold: (...pods: readonly ContainerDevices[]) => void (listed = pods),
    writeCheckpoint,
    pass,
    /** Lets seconds pass. Resolves with those in which the kubelet was asked, counted from now. */
    async secondsOfQuestions(seconds: number): Promise<readonly number[]> {
      const asked: number[] = [];
      for (let second = 1, before = podResources.calls(); second <= seconds; second += 1) {
        await pass(1);
        if (podResources.calls() > before) asked.push(second);
        before = podResources.calls();
      }
      return asked;
    },
  };
}

describe('a device that has left the node', () => {
  it('is not asked for in its first 10 s, and off the list soon after', async () => {
    const node = await leave();
    await node.pass(9);
    expect(node.asked()).toBe(0);
    expect(node.listed()).toEqual(['GPU-0', 'GPU-1']);
    await node.pass(4);
    expect(node.asked()).toBe(1);
    expect(node.listed()).toEqual(['GPU-0']);
    expect(node.lines).toMatchObject([
      { msg: 'devices that are no longer offered are off the list', devices: ['GPU-1'] },
    ]);
  });

  it('is told of when it has left, and not before', async () => {
    const node = await leave();
    await node.pass(9);
    expect(node.departures).toEqual([]);
    await node.pass(4);
    expect(node.departures).toEqual(['left']);
  });

  it('is asked for as soon as it is due, although another that a pod holds was asked for a moment ago', async () => {
    const node = await leave();
    node.offer.update(asPlan([planned(0), planned(2)]), nodeFacts);
    node.hold(held('GPU-1'));
    await node.pass(2);
    node.offer.update(asPlan([planned(0)]), nodeFacts);
    expect(await node.secondsOfQuestions(12)).toEqual([8, 10]);
    expect(node.listed()).toEqual(['GPU-0', 'GPU-1']);
  });

  it('of several resources leaves with one question', async () => {
    const node = await leave();
    node.other.update(asPlan([planned(5)]), nodeFacts);
    node.other.update(asPlan([]), nodeFacts);
    await node.pass(13);
    expect(node.asked()).toBe(1);
    expect(node.listed()).toEqual(['GPU-0']);
    expect(node.other.list.value).toEqual([]);
    expect(node.departures).toHaveLength(2);
  });

  it('is judged by records that were written after the pods were listed and the list was sent again', async () => {
    const node = await leave();
    await node.writeCheckpoint('GPU-1');
    const seen = node.offer.list.values(node.stop.signal);
    await seen.next();
    void seen.next().then(async () => {
      node.order.push('sent again');
      // What the kubelet does with a list that it receives.
      await node.writeCheckpoint('GPU-0');
    });
    await node.pass(13);
    expect(node.order).toEqual(['listed', 'sent again']);
    expect(node.listed()).toEqual(['GPU-0']);
  });

  it.for<[string, (node: Awaited<ReturnType<typeof leave>>) => unknown]>([
    ['the pod resources show it', (node) => node.hold(held('GPU-1'))],
    ['the checkpoint has it', (node) => node.writeCheckpoint('GPU-1')],
    [
      'the checkpoint cannot be read',
      ({ folder }) => writeFile(join(folder, 'kubelet_internal_checkpoint'), 'x'),
    ],
  ])('stays while %s, and is asked for again after 3 s, then 6, and so on up to 30 s', async ([, make]) => {
    const node = await leave();
    await make(node);
    const asked = await node.secondsOfQuestions(120);
    const pauses = asked.slice(1).map((second, at) => second - (asked[at] ?? 0));
    expect(pauses).toEqual([3, 6, 12, 24, 30, 30]);
    expect(node.listed()).toEqual(['GPU-0', 'GPU-1']);
    const times = asked.length;
    node.hold();
    await node.writeCheckpoint();
    await node.pass(32);
    expect(node.asked()).toBe(times + 1);
    expect(node.listed()).toEqual(['GPU-0']);
  });

  it('leaves though another resource has the same id booked', async () => {
    const node = await leave();
    node.hold({ ...held('GPU-1'), resourceName: 'example.com/other' });
    await node.pass(13);
    expect(node.listed()).toEqual(['GPU-0']);
  });

  it('says why it stays when the kubelet does not answer', async () => {
    const node = await leave();
    await writeFile(join(node.folder, 'kubelet_internal_checkpoint'), 'x');
    await node.pass(13);
    expect(node.lines).toMatchObject([{ level: 'warn' }]);
    expect(node.lines[0]?.msg).toContain('devices that are no longer offered stay listed');
    expect(node.lines[0]?.msg).toContain('kubelet_internal_checkpoint');
  });
});

describe('the pod resources', () => {
  it('are not listed while nothing leaves', async () => {
    const node = await leave();
    node.offer.update(asPlan([planned(0), planned(1)]), nodeFacts);
    await node.pass(60);
    expect(node.asked()).toBe(0);
  });

  it.for<[string, (node: Awaited<ReturnType<typeof leave>>) => unknown]>([
    ['Allocate', ({ offer }) => offer.allocate(['GPU-0'])],
    [
      'GetPreferredAllocation',
      ({ offer }) => offer.prefer({ availableIds: ['GPU-0'], requiredIds: [], size: 1 }),
    ],
    [
      'GetPreferredAllocation of another resource',
      ({ other }) => other.prefer({ availableIds: ['GPU-5'], requiredIds: [], size: 1 }),
    ],
  ])('are not listed within 100 ms of a %s, however long that goes on', async ([, call]) => {
    const node = await leave();
    await node.clock.advance(950);
    for (let second = 0; second < 20; second += 1) {
      call(node);
      await node.pass(1);
    }
    expect(node.asked()).toBe(0);
    await node.pass(3);
    expect(node.asked()).toBe(1);
    expect(node.listed()).toEqual(['GPU-0']);
  });
});

describe('a kubelet that turns busy', () => {
  it('while it is connected to is not asked, but at the next look', async () => {
    const node = await leave();
    await node.pass(9);
    const passing = node.clock.advance(1000);
    while (node.clock.sleeping > 0) await settle(1);
    await node.offer.allocate(['GPU-0']);
    await passing;
    while (node.clock.sleeping === 0) await settle(1);
    expect(node.asked()).toBe(0);
    await node.pass(3);
    expect(node.asked()).toBe(1);
    expect(node.listed()).toEqual(['GPU-0']);
  });
});

describe('the end', () => {
  it('comes with the signal, also between the question and its use', async () => {
    const node = await leave();
    await node.pass(10);
    expect(node.asked()).toBe(1);
    node.stop.abort('SIGTERM');
    await node.running;
    expect(node.clock.sleeping).toBe(0);
    expect(node.lines).toEqual([]);
  });
});
