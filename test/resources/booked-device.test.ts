import { describe, expect, it } from 'vitest';
import { findBooked } from '../../src/resources/booked-device.ts';
import { whyGone } from '../../src/resources/why-gone.ts';
import { gpu, instance, migGpu, snapshotOf } from '../support/snapshots.ts';

const node = snapshotOf([gpu(0), migGpu(1, ['1g.5gb'])]);
const inMig = instance(1, '1g.5gb', 1).uuid;

/** `isKnown GPU instance replica` and why it has left the list. */
function read(id: string): readonly unknown[] {
  const [found] = findBooked([id], node);
  if (found === undefined) return [];
  const { device, isKnown } = found;
  expect(device.id).toBe(id);
  expect(device.fault).not.toBeNull();
  return [isKnown, device.gpu.index, device.mig?.uuid ?? null, device.replica, whyGone(node)(device)];
}

const byConfig = 'the config no longer offers it in this way';
const last = Number.MAX_SAFE_INTEGER;

describe('an id that a pod holds', () => {
  it.each<[string, readonly unknown[]]>([
    [gpu(0).uuid, [true, 0, null, null, byConfig]],
    [`${gpu(0).uuid}::12`, [true, 0, null, 12, byConfig]],
    [inMig, [true, 1, inMig, null, byConfig]],
    [`${inMig}::0`, [true, 1, inMig, 0, byConfig]],
    [gpu(7).uuid, [false, last, null, null, 'the GPU is no longer on this node']],
    [instance(3, '', 1).uuid, [false, last, null, null, 'the MIG instance no longer exists']],
    ['0000:3b:00.0', [false, last, null, null, 'the GPU is no longer on this node']],
    ['::1', [false, last, null, null, 'the GPU is no longer on this node']],
    [`${gpu(0).uuid}::x`, [false, last, null, null, 'the GPU is no longer on this node']],
  ])('%s', (id, expected) => {
    expect(read(id)).toEqual(expected);
  });
});

describe('what has become of a planned instance', () => {
  const planned = findBooked([inMig], node)[0]?.device;
  it.each([
    ['it is there', node, byConfig],
    ['it was destroyed', snapshotOf([migGpu(1, [])]), 'the MIG instance no longer exists'],
    ['its GPU is gone', snapshotOf([gpu(0)]), 'the GPU is no longer on this node'],
  ])('%s', (_name, snapshot, expected) => {
    expect(planned === undefined ? '' : whyGone(snapshot)(planned)).toBe(expected);
  });
});
