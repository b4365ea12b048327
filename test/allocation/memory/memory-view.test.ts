import { describe, expect, it } from 'vitest';
import { capOf, pauseOf, type MemoryPause } from '../../../src/allocation/memory/memory-view.ts';
import { encodeRecord } from '../../../src/allocation/record.ts';
import { memoryResource, planMemory, type MemoryPlan } from '../../../src/resources/memory-units.ts';
import { gpu } from '../../support/snapshots.ts';
import { bookedDevice, bookedUnits, History, node, record } from '../holdings/history.ts';

function planOf(unitMiB: number, ...gibibytes: readonly number[]): MemoryPlan {
  const gpus = gibibytes.map((size, index) =>
    gpu(index, { memoryTotalMiB: size * 1024, memoryReservedMiB: 0 }),
  );
  const plan = planMemory(gpus, {
    unitMiB,
    reservedPerGpuMiB: 0,
    devices: null,
    override: [],
    timeSliced: new Set(),
  });
  if (plan.kind === 'refused') throw new Error(plan.message);
  return plan;
}

describe('pauseOf', () => {
  const held = bookedUnits('p', ['m1'], 'GPU-a');
  const small = encodeRecord({ ...record('GPU-a'), units: { count: 1, mib: 512 } });
  it.each<[string, History, MemoryPause | null]>([
    ['all is well', History.settled(held), null],
    ['the books were never read', new History(), 'starting'],
    ['no list was sent yet', new History().found(0, [held]), null],
    ['the checkpoint cannot be read', History.settled(held).round(1, 'unreadable'), 'unreadable-checkpoint'],
    ['the checkpoint can be read again', History.settled(held).round(1, 'unreadable').round(2, [held]), null],
    ['a foreign entry', History.settled(held, bookedDevice('f', 'GPU-x')), 'foreign-allocation'],
    [
      'a foreign entry that has gone',
      History.settled(held, bookedDevice('f', 'GPU-x')).round(9, [held]),
      null,
    ],
    ['a whole GPU of another plugin', History.settled(held, bookedDevice('f', 'GPU-a')), null],
    ['a unit of another size', History.settled(bookedDevice('o', 'm2', small, memoryResource)), 'other-unit'],
  ])('%s', (_, { holdings }, pause) => {
    expect(pauseOf({ plan: planOf(1024, 8), holdings, node })).toBe(pause);
  });
});

describe('capOf', () => {
  it.each([
    ['the largest GPU', planOf(1024, 8, 5), null, 8],
    ['what is configured', planOf(1024, 8, 5), 6, 6],
    ['no more than a GPU has', planOf(1024, 8, 5), 60, 8],
    ['nothing without GPUs', planOf(1024), null, 0],
  ])('%s', (_, plan, maxPerContainer, cap) => {
    expect(capOf({ plan, maxPerContainer })).toBe(cap);
  });
});
