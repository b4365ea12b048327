import { expect, it, onTestFinished } from 'vitest';
import { emptyNode } from '../../../src/app/node.ts';
import { HealthWatch } from '../../../src/app/health/watch-health.ts';
import type { GpuIncident, GpuSigns } from '../../../src/inventory/gpu-signs.ts';
import { wellSigns, uuid } from '../../health/health-steps.ts';
import { maxFindings } from '../../../src/health/verdict.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { gpu, migGpu, snapshotOf } from '../../support/snapshots.ts';
import { deviceNodes } from '../test-offer.ts';

const incident: GpuIncident = {
  gpu: uuid,
  pciBusId: null,
  gpuInstanceId: null,
  computeInstanceId: null,
  count: 2,
  source: 'nvml',
  kind: 'xid',
  xid: 79,
};

/** From one question to the next where the driver tells nothing. */
const periodMs = 3000;

/** A driver that answers what the test says, on a node with one GPU that was read. */
function start(isRead: boolean = true) {
  const clock = new ManualClock();
  const { log, lines } = recordingLog();
  const node = emptyNode(clock);
  const counted: object[] = [];
  const asked: PromiseWithResolvers<readonly GpuSigns[]>[] = [];
  let readings = 0;
  const watch = new HealthWatch(node, {
    driver: {
      signs() {
        const answer = Promise.withResolvers<readonly GpuSigns[]>();
        asked.push(answer);
        return answer.promise;
      },
    },
    clock,
    log,
    metrics: { xid: (labels, count) => void counted.push({ ...labels, count }) },
    readAgain: () => void (readings += 1),
  });
  const read = (): void =>
    node.inventory.set({
      reading: { snapshot: snapshotOf([gpu(0)]), nodes: deviceNodes, readAtMs: 0 },
      failure: null,
      noDriver: false,
      pciGpus: null,
    });
  if (isRead) read();
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running.catch(() => undefined);
  });
  const state = () => node.health.verdicts.value.gpus.get(uuid)?.state;
  return { clock, lines, node, counted, asked, watch, stop, running, read, state, readings: () => readings };
}

it('asks from the first reading on, every few seconds, and at once when the driver tells of something', async () => {
  const { asked, read, clock, watch } = start(false);
  await clock.advance(60_000);
  expect(asked).toHaveLength(0);
  read();
  await settle();
  expect(asked).toHaveLength(1);
  asked[0]?.resolve([wellSigns(uuid)]);
  await clock.advance(periodMs - 100);
  expect(asked).toHaveLength(1);
  await clock.advance(100);
  expect(asked).toHaveLength(2);
  asked[1]?.resolve([wellSigns(uuid)]);
  await settle();
  // Not at once after an answer: a storm of errors must not become one of questions.
  watch.hear({ kind: 'inventory-changed', reason: 'test' });
  await settle();
  expect(asked).toHaveLength(2);
  await clock.advance(200);
  expect(asked).toHaveLength(3);
});

it('takes no GPU away when the driver fails or hangs, asks a driver that hangs no second time, and ends at once', async () => {
  const { asked, clock, state, stop, running } = start();
  await settle();
  asked[0]?.resolve([wellSigns(uuid)]);
  await settle();
  expect(state()).toBe('healthy');
  await clock.advance(periodMs);
  asked[1]?.reject(new Error('no'));
  await settle();
  expect(state()).toBe('unmonitored');
  await clock.advance(periodMs);
  asked[2]?.resolve([wellSigns(uuid)]);
  await settle();
  expect(state()).toBe('healthy');
  await clock.advance(periodMs);
  await clock.advance(19_000);
  expect(state()).toBe('healthy');
  await clock.advance(100_000);
  expect(state()).toBe('unmonitored');
  expect(asked).toHaveLength(4);
  stop.abort();
  await running;
  expect(clock.sleeping).toBe(0);
});

it('has the inventory read again when a GPU is lost or found, and not otherwise', async () => {
  const { asked, clock, readings } = start();
  const silent = { lost: 'it is left alone', isUnsure: true };
  const answers = [{}, {}, { lost: 'GPU is lost' }, { lost: 'GPU is lost' }, {}, {}, silent, silent, {}];
  const counts: number[] = [];
  for (const [at, given] of answers.entries()) {
    await settle();
    asked[at]?.resolve([wellSigns(uuid, given)]);
    await settle();
    counts.push(readings());
    await clock.advance(periodMs);
  }
  expect(counts).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4]);
});

it('counts XIDs, those that nobody knows as one', async () => {
  const { watch, counted, state } = start();
  watch.hear({ kind: 'incident', incident });
  watch.hear({ kind: 'incident', incident: { ...incident, xid: 4711, count: 1 } });
  watch.hear({ kind: 'incident', incident: { ...incident, gpu: 'GPU-other', xid: 48, count: 1 } });
  expect(counted).toEqual([
    { uuid, xid: '79', class: 'reboot', count: 2 },
    { uuid, xid: 'unknown', class: 'unknown', count: 1 },
    { uuid: '', xid: '48', class: 'workflow', count: 1 },
  ]);
  expect(state()).toBe('unhealthy');
});

it.each([
  ['that is not on this node', { gpu: 'GPU-other', gpuInstanceId: 1, computeInstanceId: 0 }],
  ['that is not named', { gpu: null, gpuInstanceId: 1, computeInstanceId: 0 }],
  ['that is named by an address of no GPU', { gpu: null, pciBusId: '00000000:99:00.0', gpuInstanceId: 1 }],
])('holds what befalls an instance of a GPU %s against none', (_, place) => {
  const { watch, node, counted } = start();
  watch.hear({ kind: 'incident', incident: { ...incident, ...place } });
  expect(node.health.verdicts.value.gpus.size).toBe(0);
  expect(counted).toEqual([{ uuid: '', xid: '79', class: 'reboot', count: 2 }]);
});

it.each([
  [
    'an instance that there is',
    { gpuInstanceId: 1, computeInstanceId: 0 },
    { gpuInstanceId: 1, computeInstanceId: 0 },
  ],
  ['one that there is not', { gpuInstanceId: 9, computeInstanceId: 0 }, null],
  ['a compute instance that there is not', { gpuInstanceId: 1, computeInstanceId: 7 }, null],
  ['none', {}, null],
])('holds what befalls %s of a GPU against that, or against all of the GPU', (_, place, scope) => {
  const { watch, node } = start(false);
  const snapshot = snapshotOf([migGpu(0, ['1g.5gb', '1g.5gb'])]);
  node.inventory.set({
    reading: { snapshot, nodes: deviceNodes, readAtMs: 0 },
    failure: null,
    noDriver: false,
    pciGpus: null,
  });
  watch.hear({ kind: 'incident', incident: { ...incident, ...place } });
  const findings = node.health.verdicts.value.gpus.get(uuid)?.findings;
  expect(findings).toMatchObject([{ xid: 79, scope, count: 2 }]);
});

it('is right at the end of a storm of a million XIDs, of which it keeps few', async () => {
  const { watch, node, state } = start();
  const before = node.health.verdicts.value;
  for (let at = 0; at < 1000; at += 1)
    watch.hear({ kind: 'incident', incident: { ...incident, xid: 13, count: 1000 } });
  watch.hear({ kind: 'incident', incident: { ...incident, xid: 95, count: 1 } });
  for (let at = 0; at < 1000; at += 1)
    watch.hear({ kind: 'incident', incident: { ...incident, xid: 200 + at, count: 1000 } });
  const { value } = node.health.verdicts;
  expect(before.gpus.size).toBe(0);
  expect(state()).toBe('unhealthy');
  expect(value.gpus.get(uuid)?.findings[0]).toMatchObject({ xid: 95, effect: 'unhealthy', count: 1 });
  expect(value.gpus.get(uuid)?.findings.length).toBeLessThanOrEqual(maxFindings);
});

it('asks no more often in a storm than when it hears of one thing', async () => {
  const { watch, asked, clock } = start();
  const end = clock.now() + 10_000;
  while (clock.now() < end) {
    for (let at = 0; at < 100; at += 1) watch.hear({ kind: 'incident', incident });
    asked.at(-1)?.resolve([wellSigns(uuid)]);
    await clock.advance(10);
  }
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.length).toBeLessThanOrEqual(10_000 / 200 + 1);
});

it('says once of what befalls no GPU of this node, and holds it against none', async () => {
  const { watch, node, lines } = start();
  const nameless = { ...incident, gpu: null, pciBusId: '00000000:99:00.0' };
  watch.hear({ kind: 'incident', incident: nameless });
  watch.hear({ kind: 'incident', incident: nameless });
  expect(node.health.verdicts.value.gpus.size).toBe(0);
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    [
      'warn',
      expect.stringContaining('XID 79 on 00000000:99:00.0, which is no GPU that can be read on this node'),
    ],
  ]);
});

it('says nothing twice in ten minutes of GPUs that are not known, also when they take turns', async () => {
  const { watch, clock, lines } = start();
  const tell = (xid: number): void =>
    watch.hear({ kind: 'incident', incident: { ...incident, gpu: null, xid } });
  for (let turn = 0; turn < 50; turn += 1) for (const xid of [119, 120]) tell(xid);
  expect(lines).toHaveLength(2);
  for (let xid = 1000; xid < 2000; xid += 1) tell(xid);
  expect(lines).toHaveLength(20);
  await clock.advance(600_000);
  tell(119);
  expect(lines).toHaveLength(21);
});

it('does not take an answer that was asked for before a fault as proof against it', async () => {
  const { watch, asked, clock, state } = start();
  await settle();
  asked[0]?.resolve([wellSigns(uuid, { recoveryAction: 'reset' })]);
  await settle();
  await clock.advance(periodMs);
  watch.hear({ kind: 'incident', incident });
  await settle();
  asked[1]?.resolve([wellSigns(uuid)]);
  await settle();
  expect(state()).toBe('unhealthy');
});
