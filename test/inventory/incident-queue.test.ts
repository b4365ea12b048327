import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GpuIncident } from '../../src/inventory/gpu-signs.ts';
import { IncidentQueue } from '../../src/inventory/incident-queue.ts';

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
  const queue = new IncidentQueue();
  for (const one of [xid(31, 'a'), xid(79, 'b'), xid(31, 'a', null, 4), xid(31, 'b'), xid(31, 'a', 0)])
    queue.add(one);
  expect(queue.takeAll()).toEqual([xid(31, 'a', null, 5), xid(79, 'b'), xid(31, 'b'), xid(31, 'a', 0)]);
  expect(queue.shift()).toBeUndefined();
});

test('a full queue leaves the instance out, then only counts', () => {
  const queue = new IncidentQueue(2);
  for (const one of [xid(31, 'a'), xid(79, 'b'), xid(31, 'a', 3, 7), xid(62, 'a', 3, 5)]) queue.add(one);
  expect(queue.takeDropped()).toBe(5);
  expect(queue.takeDropped()).toBe(0);
  expect(queue.shift()).toEqual(xid(31, 'a', null, 8));
  expect(queue.takeAll()).toEqual([xid(79, 'b')]);
});

test('nothing is lost without being counted, and no more is held than allowed', () => {
  const incident = fc
    .tuple(fc.nat(5), fc.constantFrom('a', 'b', 'c'), fc.option(fc.nat(2)), fc.integer({ min: 1, max: 9 }))
    .map(([number, gpu, instance, count]) => xid(number, gpu, instance, count));
  fc.assert(
    fc.property(fc.array(incident), fc.integer({ min: 1, max: 10 }), (incidents, limit) => {
      const queue = new IncidentQueue(limit);
      for (const one of incidents) queue.add(one);
      const held = queue.takeAll();
      const sum = (of: readonly GpuIncident[]): number => of.reduce((total, { count }) => total + count, 0);
      expect(held.length).toBeLessThanOrEqual(limit);
      expect(sum(held) + queue.takeDropped()).toBe(sum(incidents));
    }),
  );
});
