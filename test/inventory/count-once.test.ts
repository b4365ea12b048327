import { describe, expect, test } from 'vitest';
import { OncePerSource } from '../../src/inventory/count-once.ts';
import type { GpuIncident } from '../../src/inventory/gpu-signs.ts';
import { ManualClock } from '../support/manual-clock.ts';

const place = { gpu: 'GPU-a', pciBusId: '00000000:1b:00.0', gpuInstanceId: null, computeInstanceId: null };

type Changes = Partial<Pick<GpuIncident, 'pciBusId' | 'gpuInstanceId'>> & { readonly xid?: number };

function xid(source: GpuIncident['source'], count = 1, more: Changes = {}): GpuIncident {
  return { ...place, kind: 'xid', xid: 31, count, source, ...more };
}

function unavailable(source: GpuIncident['source']): GpuIncident {
  return { ...place, kind: 'unavailable', count: 1, source };
}

/** What is left of each incident: its number, null for nothing. */
function counts(once: OncePerSource, ...incidents: readonly GpuIncident[]): (number | null)[] {
  return incidents.map((incident) => once.take(incident)?.count ?? null);
}

describe('within a moment', () => {
  test.each<[string, readonly GpuIncident[], readonly (number | null)[]]>([
    ['the same from both is one', [xid('nvml'), xid('kernel-log')], [1, null]],
    ['whoever is first', [xid('kernel-log'), xid('nvml')], [1, null]],
    ['several from one are several', [xid('nvml'), xid('nvml'), xid('nvml', 5)], [1, 1, 5]],
    [
      'the other one tells what is missing',
      [xid('nvml', 3), xid('kernel-log', 5), xid('nvml', 2)],
      [3, 2, null],
    ],
    ['another XID is another', [xid('nvml'), xid('kernel-log', 1, { xid: 79 })], [1, 1]],
    ['another GPU is another', [xid('nvml'), xid('kernel-log', 1, { pciBusId: '00000000:1c:00.0' })], [1, 1]],
    [
      'an instance that one does not tell',
      [xid('nvml', 1, { gpuInstanceId: 3 }), xid('kernel-log')],
      [1, null],
    ],
    ['other kinds are told as they are', [unavailable('nvml'), unavailable('kernel-log')], [1, 1]],
  ])('%s', (_name, incidents, left) => {
    expect(counts(new OncePerSource(new ManualClock()), ...incidents)).toEqual(left);
  });
});

test('after it the same is told again', async () => {
  const clock = new ManualClock();
  const once = new OncePerSource(clock);
  expect(counts(once, xid('nvml'), xid('kernel-log'))).toEqual([1, null]);
  await clock.advance(5_000);
  expect(counts(once, xid('kernel-log'), xid('nvml'))).toEqual([1, null]);
});
