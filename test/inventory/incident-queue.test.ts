import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GpuIncident } from '../../src/inventory/gpu-signs.ts';
import { IncidentQueue, warnOfDropped } from '../../src/inventory/incident-queue.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

function xid(number: number, gpu: string, instance: number | null = null, count = 1): GpuIncident {
  return {
    kind: 'xid',
    xid: number,
    gpu,
    pciBusId: null,
    gpuInstanceId: instance,
    computeInstanceId: null,
    count,
    source: 'nvml',
  };
}

test('equal incidents are one, with their number; others stay apart, in their order', () => {
  const queue = new IncidentQueue(() => expect.unreachable());
  for (const one of [xid(31, 'a'), xid(79, 'b'), xid(31, 'a', null, 4), xid(31, 'b'), xid(31, 'a', 0)])
    queue.add(one);
  expect(queue.takeAll()).toEqual([xid(31, 'a', null, 5), xid(79, 'b'), xid(31, 'b'), xid(31, 'a', 0)]);
  expect(queue.shift()).toBeUndefined();
});

test('a full queue leaves the instance out, then drops what is new, and tells how much', () => {
  const dropped: number[] = [];
  const queue = new IncidentQueue((count) => void dropped.push(count), 2);
  for (const one of [xid(31, 'a'), xid(79, 'b'), xid(31, 'a', 3, 7), xid(62, 'a', 3, 5)]) queue.add(one);
  expect(dropped).toEqual([5]);
  expect(queue.shift()).toEqual(xid(31, 'a', null, 8));
  expect(queue.takeAll()).toEqual([xid(79, 'b')]);
});

test('nothing is lost without being told, and no more is held than allowed', () => {
  const incident = fc
    .tuple(fc.nat(5), fc.constantFrom('a', 'b', 'c'), fc.option(fc.nat(2)), fc.integer({ min: 1, max: 9 }))
    .map(([number, gpu, instance, count]) => xid(number, gpu, instance, count));
  fc.assert(
    fc.property(fc.array(incident), fc.integer({ min: 1, max: 10 }), (incidents, limit) => {
      let dropped = 0;
      const queue = new IncidentQueue((count) => (dropped += count), limit);
      for (const one of incidents) queue.add(one);
      const held = queue.takeAll();
      const sum = (of: readonly GpuIncident[]): number => of.reduce((total, { count }) => total + count, 0);
      expect(held.length).toBeLessThanOrEqual(limit);
      expect(sum(held) + dropped).toBe(sum(incidents));
    }),
  );
});

test('that something is lost is said once, not for each', () => {
  const { log, lines } = recordingLog();
  const queue = new IncidentQueue(warnOfDropped(log, new ManualClock()), 1);
  for (let number = 0; number < 100; number += 1) queue.add(xid(number, 'a'));
  expect(lines).toMatchObject([{ level: 'warn', msg: expect.stringContaining('some are lost') as string }]);
});
