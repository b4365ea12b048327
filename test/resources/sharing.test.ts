import { describe, expect, it } from 'vitest';
import type { SharedResource, TimeSlicing } from '../../src/resources/resource-settings.ts';
import { idsByResource, planOf } from '../support/plans.ts';
import { gpu, instance, migGpu } from '../support/snapshots.ts';

const gpus = [gpu(0), gpu(1), gpu(2)];

function slicing(resources: readonly Partial<SharedResource>[], more: Partial<TimeSlicing> = {}) {
  const entry = { name: 'nvidia.com/gpu', devices: 'all', replicas: 2 } as const;
  return {
    timeSlicing: {
      renameByDefault: false,
      failRequestsGreaterThanOne: false,
      resources: resources.map((own) => ({ ...entry, ...own })),
      ...more,
    },
  };
}

/** How many devices each GPU of a resource makes, by index: `0x4 1x1`. */
function shares(plan: ReturnType<typeof planOf>, resource = 'nvidia.com/gpu'): string {
  const devices = plan.resources.find((each) => each.resource === resource)?.devices ?? [];
  const counts = Map.groupBy(devices, (device) => device.gpu.index);
  return [...counts].map(([index, group]) => `${index}x${group.length}`).join(' ');
}

describe('time slices', () => {
  it('are numbered from 0 for each GPU, and in order of number', () => {
    const plan = planOf([gpu(1), gpu(0)], slicing([{ replicas: 11 }]));
    const ids = [0, 1].flatMap((index) => Array.from({ length: 11 }, (_, n) => `${gpu(index).uuid}::${n}`));
    expect(idsByResource(plan)).toEqual({ 'nvidia.com/gpu': ids });
    expect(plan.resources[0]?.devices.map(({ replica }) => replica).slice(0, 3)).toEqual([0, 1, 2]);
    expect(plan.notices).toEqual([]);
  });

  it('of MIG instances are those of the instance', () => {
    const name = 'nvidia.com/mig-1g.5gb' as const;
    const plan = planOf([migGpu(0, ['1g.5gb']), gpu(1)], { migStrategy: 'mixed', ...slicing([{ name }]) });
    const { uuid } = instance(1, '');
    expect(idsByResource(plan)).toEqual({
      [name]: [`${uuid}::0`, `${uuid}::1`],
      'nvidia.com/gpu': [gpu(1).uuid],
    });
  });

  it('have the fault of their GPU', () => {
    const plan = planOf([gpu(0, { error: 'lost' }), gpu(1)], slicing([{}]));
    expect(plan.resources[0]?.devices.map(({ fault }) => fault)).toEqual(['lost', 'lost', null, null]);
  });

  it('are refused beyond one for a container where that is asked', () => {
    expect(planOf(gpus, slicing([{}])).resources[0]?.oneShareOnly).toBe(false);
    const plan = planOf(gpus, slicing([{}], { failRequestsGreaterThanOne: true }));
    expect(plan.resources[0]?.oneShareOnly).toBe(true);
  });
});

describe('which devices are shared', () => {
  it.each<[string, readonly Partial<SharedResource>[], string, readonly string[]]>([
    ['all', [{}], '0x2 1x2 2x2', []],
    ['a count', [{ devices: 2 }], '0x2 1x2 2x1', []],
    ['an index', [{ devices: ['1'] }], '0x1 1x2 2x1', []],
    ['a UUID in capital letters', [{ devices: [gpu(2).uuid.toUpperCase()] }], '0x1 1x1 2x2', []],
    [
      'different counts for different GPUs',
      [{ devices: ['0'], replicas: 4 }, { devices: 1, replicas: 3 }, { replicas: 2 }],
      '0x4 1x3 2x2',
      [],
    ],
    ['one that is left unshared', [{ devices: ['0'], replicas: 1 }, {}], '0x1 1x2 2x2', []],
    [
      'an index that is not there',
      [{ devices: ['7'] }],
      '0x1 1x1 2x1',
      ['resources[0].devices: 7 is no nvidia.com/gpu'],
    ],
    [
      'more than there are',
      [{ devices: 5 }],
      '0x2 1x2 2x2',
      ['resources[0].devices: 5 asked, 3 of nvidia.com/gpu left'],
    ],
    [
      'a GPU twice in one list',
      [{ devices: ['0', gpu(0).uuid] }],
      '0x2 1x1 2x1',
      [`resources[0].devices: ${gpu(0).uuid} is GPU 0 (${gpu(0).uuid}), and the same list names it before`],
    ],
    [
      'a GPU in two entries',
      [{ devices: ['0'] }, { devices: [gpu(0).uuid], replicas: 9 }],
      '0x2 1x1 2x1',
      [`resources[1].devices: ${gpu(0).uuid} is GPU 0 (${gpu(0).uuid}), and resources[0] counts`],
    ],
    [
      'another resource',
      [{ name: 'nvidia.com/x' }],
      '0x1 1x1 2x1',
      ['resources[0]: there is no nvidia.com/x on this node'],
    ],
  ])('%s', (_name, entries, expected, notices) => {
    const plan = planOf(gpus, slicing(entries));
    expect(shares(plan)).toBe(expected);
    expect(plan.notices).toEqual(
      notices.map((notice) => expect.stringContaining(`sharing.timeSlicing.${notice}`) as string),
    );
  });

  it.each([
    ['0:1', [2]],
    [instance(2, '').uuid, [2]],
    [`MIG-${gpu(0).uuid}/2/0`, [2]],
    ['0', [1, 2]],
    [gpu(0).uuid, [1, 2]],
  ])('MIG instances by %s', (reference, instances) => {
    const name = 'nvidia.com/mig-1g.5gb' as const;
    const settings = slicing([{ name, devices: [reference] }]);
    const plan = planOf([migGpu(0, ['1g.5gb', '1g.5gb'])], { migStrategy: 'mixed', ...settings });
    const shared = plan.resources[0]?.devices.filter(({ replica }) => replica === 0);
    expect(shared?.map(({ mig }) => mig?.uuid)).toEqual(instances.map((id) => instance(id, '').uuid));
  });
});

describe('names of shared resources', () => {
  it('stay as they are', () => {
    expect(Object.keys(idsByResource(planOf(gpus, slicing([{}]))))).toEqual(['nvidia.com/gpu']);
  });

  it('end in .shared by default where that is asked, of shared devices alone', () => {
    const entries = [{ devices: ['0'], replicas: 1 }, { devices: ['1'] }];
    const plan = planOf(gpus, slicing(entries, { renameByDefault: true }));
    expect(shares(plan)).toBe('0x1 2x1');
    expect(shares(plan, 'nvidia.com/gpu.shared')).toBe('1x2');
  });

  it('are the own name of an entry before all others', () => {
    const entries = [{ rename: 'nvidia.com/slice', devices: ['0'] }, {}] as const;
    const plan = planOf(gpus, slicing(entries, { renameByDefault: true }));
    expect(shares(plan, 'nvidia.com/slice')).toBe('0x2');
    expect(shares(plan, 'nvidia.com/gpu.shared')).toBe('1x2 2x2');
  });
});

describe('a list that is too long', () => {
  it('is cut to the time slices that fit, of those devices that have more', () => {
    const plan = planOf(gpus, slicing([{ devices: ['0'], replicas: 100 }, { replicas: 20_000 }]));
    expect(shares(plan)).toBe('0x100 1x9950 2x9950');
    expect(plan.degradations).toMatchObject([
      {
        kind: 'too-many-devices',
        message: expect.stringContaining('Set replicas to 9950 or less') as string,
      },
    ]);
  });
});
