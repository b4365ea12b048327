import { describe, expect, test } from 'vitest';
import type { DriverEvent } from '../../src/inventory/driver.ts';
import { unknownSigns } from '../../src/inventory/gpu-signs.ts';
import { namePlace, rememberLostSigns } from '../../src/inventory/known-signs.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';

const well = gpu(0);
const lost = { ...gpu(1), error: 'it fell' };
const known = snapshotOf([well, lost]);

describe('signs', () => {
  test('of a GPU that is in error and does not tell its name: lost', () => {
    const told = [unknownSigns(well.uuid)];
    expect(rememberLostSigns(known, told)).toEqual([
      ...told,
      { ...unknownSigns(lost.uuid), lost: 'it fell', isUnsure: true },
    ]);
  });

  test('of a GPU that answers again are its own', () => {
    const told = [unknownSigns(lost.uuid)];
    expect(rememberLostSigns(known, told)).toEqual(told);
  });

  test('are those told where nothing is known', () => {
    expect(rememberLostSigns(null, [])).toEqual([]);
  });
});

describe('the place of an incident', () => {
  const at = (uuid: string | null, pciBusId: string | null): DriverEvent => ({
    kind: 'incident',
    incident: {
      kind: 'xid',
      xid: 79,
      gpu: uuid,
      pciBusId,
      gpuInstanceId: null,
      computeInstanceId: null,
      count: 1,
      source: 'nvml',
    },
  });

  test.each([
    ['an address alone', at(null, well.pciBusId), at(well.uuid, well.pciBusId)],
    ['a UUID alone', at(well.uuid, null), at(well.uuid, well.pciBusId)],
    ['an address of nobody', at(null, '00000000:ff:00.0'), at(null, '00000000:ff:00.0')],
    ['a UUID of nobody', at('GPU-x', well.pciBusId), at('GPU-x', well.pciBusId)],
    ['nothing', at(null, null), at(null, null)],
  ])('%s', (_name, told, named) => {
    expect(namePlace(known, told)).toEqual(named);
  });

  test('other events stay as they are', () => {
    const event: DriverEvent = { kind: 'driver-restarted', reason: 'it died' };
    expect(namePlace(known, event)).toBe(event);
  });
});
