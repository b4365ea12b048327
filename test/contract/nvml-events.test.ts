import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { DriverEvent } from '../../src/inventory/driver.ts';
import type { GpuIncident } from '../../src/inventory/gpu-signs.ts';
import { mustSkip } from '../support/nvml-header.ts';
import { standInLibrary } from '../support/nvml-library.ts';
import { within, type NvmlNode } from '../support/nvml-node.ts';

const skip = mustSkip(await standInLibrary(), 'the test of events of the NVIDIA driver');

const uuid = (index: number): string => `GPU-5a1dbeef-0000-4000-8000-00000000000${index}`;
const place = { gpuInstanceId: null, computeInstanceId: null, count: 1, source: 'nvml' };

async function nextIncident(node: NvmlNode): Promise<GpuIncident> {
  const event: DriverEvent = await node.nextEvent();
  if (event.kind !== 'incident') throw new Error(`${event.kind}: ${event.reason}`);
  return event.incident;
}

async function whyUnmonitored(node: NvmlNode): Promise<(string | null)[]> {
  return (await node.driver.signs()).map(({ unmonitored }) => unmonitored);
}

describe.skipIf(skip)('the driver tells of', () => {
  test.each([
    ['xid 79', { kind: 'xid', xid: 79 }],
    ['xid 999', { kind: 'xid', xid: 999 }],
    ['ecc', { kind: 'uncorrectable-ecc' }],
    ['unavailable', { kind: 'unavailable' }],
    ['recovery-action', { kind: 'recovery-action-changed' }],
    // A GPU that is not in MIG mode has no instances, whatever is told.
    ['xid 31 0 0', { kind: 'xid', xid: 31 }],
  ])('%s', (line, incident) =>
    within('gpus 2', async (node) => {
      await node.monitored();
      await node.scenario(`gpus 2\nevent 1 1 ${line}`);
      const told = { ...place, ...incident, gpu: uuid(1), pciBusId: '00000000:43:00.0' };
      expect(await nextIncident(node)).toEqual(told);
    }),
  );

  test('an error of a MIG instance, of a GPU instance, and of the whole GPU in MIG mode', () =>
    within('gpus 1\ngpu 0 mig on\nmig 0 1 0 3g.40gb 40192', async (node) => {
      const scenario = 'gpus 1\ngpu 0 mig on\nmig 0 1 0 3g.40gb 40192';
      await node.monitored();
      await node.scenario(`${scenario}\nevent 1 0 xid 94 1 0\nevent 2 0 xid 94 1 -\nevent 3 0 xid 94`);
      const heard = [await nextIncident(node), await nextIncident(node), await nextIncident(node)];
      expect(heard.map(({ gpuInstanceId, computeInstanceId }) => [gpuInstanceId, computeInstanceId])).toEqual(
        [
          [1, 0],
          [1, null],
          [null, null],
        ],
      );
    }));

  test.each(['xid 79', 'xid 79 1 0'])('an error of a GPU that nobody knows: %s', (line) =>
    within('gpus 1\ngpu 0 mig on\nmig 0 1 0 3g.40gb 40192', async (node) => {
      await node.monitored();
      await node.scenario(`gpus 1\ngpu 0 mig on\nmig 0 1 0 3g.40gb 40192\nevent 1 ? ${line}`);
      expect(await nextIncident(node)).toEqual({ ...place, kind: 'xid', xid: 79, gpu: null, pciBusId: null });
    }),
  );

  test('nothing by an event of another kind than those that it is asked for', () =>
    within('gpus 1', async (node) => {
      await node.monitored();
      await node.scenario('gpus 1\nevent 1 ? clock 7\nevent 2 0 xid 13');
      expect(await nextIncident(node)).toMatchObject({ gpu: uuid(0), xid: 13 });
    }));

  test('another MIG configuration, as a change of the inventory', () =>
    within('gpus 1', async (node) => {
      await node.monitored();
      await node.scenario('gpus 1\nevent 1 0 mig');
      expect(await node.nextEvent()).toEqual({
        kind: 'inventory-changed',
        reason: 'the MIG configuration changed',
      });
    }));

  test('ten thousand errors with their number, and of what comes behind them', () =>
    within('gpus 2', async (node) => {
      await node.monitored();
      await node.scenario('gpus 2\nevent 1 0 xid 13 - - 10000\nevent 2 1 xid 79');
      const heard: GpuIncident[] = [];
      while (heard.at(-1)?.gpu !== uuid(1)) heard.push(await nextIncident(node));
      const counted = heard.filter(({ gpu }) => gpu === uuid(0)).reduce((sum, { count }) => sum + count, 0);
      expect(counted).toBe(10_000);
      expect(heard.length).toBeLessThan(100);
    }));

  test('a storm, while it answers questions', () =>
    within('gpus 2', async (node) => {
      await node.monitored();
      await node.scenario('gpus 2\nevent-rate 10000\nevent 1 0 xid 13 - - 1000000\n');
      expect(await nextIncident(node)).toMatchObject({ gpu: uuid(0), xid: 13 });
      const before = await node.driver.snapshot();
      expect(before.gpus.map(({ error }) => error)).toEqual([null, null]);
      expect(await whyUnmonitored(node)).toEqual([null, null]);
      await node.scenario('gpus 2\nevent 2 1 xid 79\n');
      let last = await nextIncident(node);
      while (last.gpu !== uuid(1)) last = await nextIncident(node);
      expect(last).toMatchObject({ xid: 79, count: 1 });
    }));
});

describe.skipIf(skip)('a GPU is not monitored, and nothing else', () => {
  const gpuEvents = async (node: NvmlNode): Promise<void> => {
    await node.monitored(1);
    expect((await node.driver.signs()).every(({ lost }) => lost === null)).toBe(true);
    expect((await whyUnmonitored(node)).filter((reason) => reason === null)).toHaveLength(2);
  };

  test('where it does not support events', () =>
    within('gpus 3\ngpu 1 events none', async (node) => {
      await gpuEvents(node);
      expect((await whyUnmonitored(node))[1]).toMatch(/does not support/);
      await node.scenario('gpus 3\nevent 1 2 xid 79');
      expect(await nextIncident(node)).toMatchObject({ gpu: uuid(2), xid: 79 });
    }));

  test('where it supports no errors', () =>
    within('gpus 3\ngpu 1 events 10', async (node) => {
      await gpuEvents(node);
      expect((await whyUnmonitored(node))[1]).toMatch(/does not tell of errors/);
    }));

  test('where it supports other errors than XIDs, which are told', () =>
    within('gpus 3\ngpu 1 events 2', async (node) => {
      await gpuEvents(node);
      expect((await whyUnmonitored(node))[1]).toMatch(/XID/);
      await node.scenario('gpus 3\ngpu 1 events 2\nevent 1 1 xid 79\nevent 2 1 ecc');
      expect(await nextIncident(node)).toMatchObject({ gpu: uuid(1), kind: 'uncorrectable-ecc' });
    }));

  test('where it cannot be registered', () =>
    within('gpus 3\nfault nvmlDeviceRegisterEvents 1 return 15', async (node) => {
      await gpuEvents(node);
      expect((await whyUnmonitored(node))[1]).toMatch(/fallen off the bus/);
    }));

  test('all of them where the library knows no events', () =>
    within(
      'gpus 2',
      async (node) => {
        const { gpus } = await node.driver.snapshot();
        expect(gpus.map(({ error }) => error)).toEqual([null, null]);
        await expect
          .poll(() => whyUnmonitored(node))
          .toEqual([
            expect.stringMatching(/does not have the call/),
            expect.stringMatching(/does not have the call/),
          ]);
      },
      { without: ['nvmlEventSetCreate'] },
    ));
});

describe.skipIf(skip)('a wait for events', () => {
  const patient = { timeout: 45_000, interval: 100 };

  test('that fails leaves all unmonitored, is tried again with pauses, and works again', () =>
    within('gpus 2', async (node) => {
      await node.monitored();
      const helper = node.helper();
      await node.scenario('gpus 2\nfault nvmlEventSetWait_v2 * return 999');
      expect(await node.nextEvent()).toEqual({
        kind: 'inventory-changed',
        reason: expect.stringMatching(/does not tell of errors: nvmlEventSetWait_v2/),
      });
      expect(await whyUnmonitored(node)).toEqual([
        expect.stringMatching(/nvmlEventSetWait_v2/),
        expect.stringMatching(/nvmlEventSetWait_v2/),
      ]);
      expect((await node.driver.snapshot()).gpus.map(({ error }) => error)).toEqual([null, null]);
      await node.scenario('gpus 2');
      await expect.poll(() => whyUnmonitored(node), patient).toEqual([null, null]);
      await node.scenario('gpus 2\nevent 1 0 xid 79');
      expect(await nextIncident(node)).toMatchObject({ xid: 79 });
      expect(node.helper()).toBe(helper);
    }));

  test('that fails because of one GPU costs the events of that one', () =>
    within('gpus 3', async (node) => {
      await node.monitored();
      const lost =
        'gpus 3\nfault nvmlDeviceGetMemoryInfo_v2 1 return 15\nfault nvmlEventSetWait_v2 1 return 15';
      await node.scenario(lost);
      await node.nextEvent();
      await node.driver.snapshot();
      await expect
        .poll(() => whyUnmonitored(node), patient)
        .toEqual([null, expect.stringMatching(/fallen off the bus/), null]);
      await node.scenario(`${lost}\nevent 1 2 xid 79`);
      expect(await nextIncident(node)).toMatchObject({ gpu: uuid(2), xid: 79 });
    }));

  test('that hangs costs the helper, not the answers', () =>
    within(
      'gpus 2',
      async (node) => {
        await node.monitored();
        const helper = node.helper();
        await node.scenario('gpus 2\nfault nvmlEventSetWait_v2 * hang');
        const asking = new AbortController();
        let answers = 0;
        const ask = (async () => {
          while (!asking.signal.aborted) {
            expect((await node.driver.snapshot()).gpus).toHaveLength(2);
            answers += 1;
            await delay(50);
          }
        })();
        expect(await node.nextEvent()).toEqual({
          kind: 'driver-restarted',
          reason: expect.stringMatching(/hangs: a call for events did not come back within/),
        });
        asking.abort();
        await ask;
        expect(answers).toBeGreaterThan(2);
        await node.ended(helper);
        await node.driver.snapshot();
        expect(await whyUnmonitored(node)).toEqual([
          expect.stringMatching(/not followed for 5 min/),
          expect.stringMatching(/not followed for 5 min/),
        ]);
      },
      { deadlines: { initMs: 20_000, firstTouchMs: 3_000, callMs: 1_000 } },
    ));

  test('does not hold up the end', () =>
    within('gpus 2', async (node) => {
      await node.monitored();
      const helper = node.helper();
      await node.driver[Symbol.asyncDispose]();
      await node.ended(helper);
    }));
});
