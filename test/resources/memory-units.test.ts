import { describe, expect, it } from 'vitest';
import { devicePluginService } from '../../src/kubelet/wire.ts';
import { maxDevices } from '../../src/resources/list-limits.ts';
import {
  memoryId,
  memoryIdNumber,
  planMemory,
  type MemoryPlan,
  type MemorySettings,
} from '../../src/resources/memory-units.ts';
import { gpu } from '../support/snapshots.ts';

const defaults: MemorySettings = {
  unitMiB: 1024,
  reservedPerGpuMiB: 0,
  devices: null,
  override: [],
  timeSliced: new Set(),
};
/** "32 GB", of which the driver keeps 300 MiB. */
const v100 = { memoryTotalMiB: 32_768, memoryReservedMiB: 300 };
/** "80 GB". */
const h100 = { memoryTotalMiB: 81_559, memoryReservedMiB: 557 };
const mig = { current: true, pending: true };

function planned(gpus: Parameters<typeof planMemory>[0], settings: Partial<MemorySettings> = {}): MemoryPlan {
  const plan = planMemory(gpus, { ...defaults, ...settings });
  if (plan.kind === 'refused') throw new Error(plan.message);
  return plan;
}

function refusal(gpus: Parameters<typeof planMemory>[0], settings: Partial<MemorySettings>): string {
  const plan = planMemory(gpus, { ...defaults, ...settings });
  return plan.kind === 'refused' ? plan.message : `planned ${plan.units}`;
}

describe('planMemory', () => {
  it.each<[string, Partial<ReturnType<typeof gpu>>, Partial<MemorySettings>, number, number]>([
    ['32,768 MiB with 4 GiB reserved', v100, { reservedPerGpuMiB: 4096 }, 28, 0],
    ['an "80 GB" H100', h100, {}, 79, 106],
    ['what the driver reserves, when that is more', v100, { reservedPerGpuMiB: 100 }, 31, 724],
    ['a driver that does not tell what it reserves', { ...v100, memoryReservedMiB: null }, {}, 32, 0],
    ['units of half a GiB', v100, { unitMiB: 512, reservedPerGpuMiB: 4096 }, 56, 0],
    [
      'a GPU that the driver knows no memory of',
      { memoryTotalMiB: null, memoryReservedMiB: null },
      { override: [{ devices: ['0'], total: 4096 }] },
      4,
      0,
    ],
    [
      'an override that the driver knows better',
      v100,
      { override: [{ devices: ['0'], total: 4096 }] },
      31,
      724,
    ],
  ])('counts %s', (_, overrides, settings, units, restMiB) => {
    const plan = planned([gpu(0, overrides)], settings);
    expect(plan.gpus).toMatchObject([{ index: 0, units, restMiB }]);
    expect(plan.units).toBe(units);
  });

  it('adds GPUs of mixed sizes up, in order of index', () => {
    const plan = planned([gpu(1, h100), gpu(0, v100)]);
    expect(plan.gpus.map(({ index, units }) => [index, units])).toEqual([
      [0, 31],
      [1, 79],
    ]);
    expect(plan.units).toBe(110);
  });

  it('leaves out with a reason what cannot be offered by memory', () => {
    const plan = planned(
      [
        gpu(0, { mig }),
        gpu(1),
        gpu(2, { memoryTotalMiB: null }),
        gpu(3, { memoryTotalMiB: 2000 }),
        gpu(4, v100),
      ],
      { timeSliced: new Set([gpu(1).uuid]), reservedPerGpuMiB: 4096 },
    );
    expect(plan.gpus.map(({ index }) => index)).toEqual([4]);
    expect(plan.leftOut.map(({ index, reason }) => `${index}: ${reason}`)).toEqual([
      '0: in MIG mode',
      '1: shared by time',
      '2: its driver does not tell its memory; memory.override can',
      '3: of its 2000 MiB 4096 are reserved, and the rest is less than one unit of 1024 MiB',
    ]);
  });

  it('leaves out a GPU that is smaller than a unit', () => {
    const plan = planned([gpu(0, v100), gpu(1, h100)], { unitMiB: 40_960 });
    expect(plan.leftOut.map(({ index }) => index)).toEqual([0]);
    expect(plan.units).toBe(1);
  });

  it('offers fixed pools: the GPUs that are named by memory alone', () => {
    const plan = planned([gpu(0, v100), gpu(1, v100), gpu(2, v100)], {
      devices: ['2', gpu(0).uuid, '7', '0:1'],
    });
    expect(plan.gpus.map(({ index }) => index)).toEqual([0, 2]);
    expect(plan.memoryOnly).toEqual(new Set([gpu(0).uuid, gpu(2).uuid]));
    expect(plan.leftOut).toEqual([]);
    expect(plan.unknownDevices).toEqual(['7', '0:1']);
    expect(planned([gpu(0)]).memoryOnly).toEqual(new Set());
  });

  it.each([
    [1, [gpu(0, h100)], '1Mi makes 81002 units of GPU 0', '128Mi'],
    [64, [gpu(0, h100)], '64Mi makes 1265 units of GPU 0', '128Mi'],
    [
      128,
      Array.from({ length: 40 }, (_, index) => gpu(index, h100)),
      '128Mi makes 25280 units of the 40 GPUs',
      '256Mi',
    ],
    [0, [gpu(0, h100)], '0Mi is no amount', '128Mi'],
    [-1024, [gpu(0, h100)], '-1024Mi is no amount', '128Mi'],
    [0.5, [gpu(0, h100)], '0.5Mi is no amount', '128Mi'],
  ])('refuses a unit of %d MiB and names one that fits', (unitMiB, gpus, problem, fits) => {
    const message = refusal(gpus, { unitMiB });
    expect(message).toContain(problem);
    expect(message).toMatch(new RegExp(` A unit of ${fits} would fit\\.$`));
    expect(refusal(gpus, { unitMiB: Number.parseInt(fits, 10) })).toMatch(/^planned [1-9]/);
  });

  it('takes the most units that a GPU and a list may have', () => {
    expect(planned([gpu(0, { memoryTotalMiB: 1200, memoryReservedMiB: 0 })], { unitMiB: 1 }).units).toBe(
      1200,
    );
    expect(refusal([gpu(0, { memoryTotalMiB: 1201, memoryReservedMiB: 0 })], { unitMiB: 1 })).toContain(
      '1201',
    );
    const gpus = Array.from({ length: 20 }, (_, index) =>
      gpu(index, { memoryTotalMiB: 1000, memoryReservedMiB: 0 }),
    );
    expect(planned(gpus, { unitMiB: 1 }).units).toBe(20_000);
    const one = gpu(20, { memoryTotalMiB: 1, memoryReservedMiB: 0 });
    expect(refusal([...gpus, one], { unitMiB: 1 })).toContain('20001 units');
  });
});

it('needs few bytes for the longest list', () => {
  const units = Array.from({ length: maxDevices }, (_, number) => ({
    id: memoryId(number),
    health: 'Unhealthy' as const,
    numaNode: null,
  }));
  expect(devicePluginService.ListAndWatch.responseSerialize(units).length).toBeLessThan(2 * 1024 * 1024);
});

it('a GPU that is for memory alone stays so when its units cannot be made', () => {
  const plan = planMemory([gpu(0, v100), gpu(1, v100)], { ...defaults, devices: ['1'], unitMiB: 1 });
  expect(plan).toMatchObject({ kind: 'refused', memoryOnly: new Set([gpu(1).uuid]) });
});

describe('memoryIdNumber', () => {
  it.each([
    ['m0', 0],
    ['m639', 639],
    ['m', null],
    ['m01', null],
    ['m-1', null],
    ['m1 ', null],
    ['M1', null],
    ['m9999999999', null],
    ['GPU-m1', null],
  ])('reads %j', (id, number) => {
    expect(memoryIdNumber(id)).toBe(number);
  });
});
