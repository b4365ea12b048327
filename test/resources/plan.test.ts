import { describe, expect, it } from 'vitest';
import { devicesOf, idsByResource, planOf } from '../support/plans.ts';
import { gpu, instance, migGpu } from '../support/snapshots.ts';

describe('whole GPUs', () => {
  it('are none on a node without GPUs', () => {
    expect(planOf([])).toMatchObject({ resources: [], degradations: [], notices: [] });
  });

  it('are offered each once, in the order of their index', () => {
    const plan = planOf([gpu(2), gpu(0), gpu(1)]);
    expect(idsByResource(plan)).toEqual({ 'nvidia.com/gpu': [gpu(0).uuid, gpu(1).uuid, gpu(2).uuid] });
    expect(plan.degradations).toEqual([]);
  });

  it('stay on the list when they cannot be used, with the reason, and leave the others alone', () => {
    const devices = devicesOf([gpu(0), gpu(1, { error: 'it has fallen off the bus' })]);
    expect(devices.map((device) => device.fault)).toEqual([null, 'it has fallen off the bus']);
  });

  it('are all marked when the node itself has a fault, and keep a fault of their own', () => {
    const nodeFault = 'no IMEX channel';
    const faults = new Map([[gpu(2).uuid, 'no CDI name']]);
    const devices = devicesOf([gpu(0), gpu(1, { error: 'lost' }), gpu(2)], {}, { nodeFault, faults });
    expect(devices.map((device) => device.fault)).toEqual(['no IMEX channel', 'lost', 'no CDI name']);
  });
});

describe('NUMA nodes', () => {
  it('are given to all devices of a resource or to none', () => {
    const known = devicesOf([gpu(0, { numaNode: 0 }), gpu(1, { numaNode: 1 })]);
    expect(known.map((device) => device.numaNode)).toEqual([0, 1]);
    const partly = devicesOf([gpu(0, { numaNode: 0 }), gpu(1, { numaNode: null })]);
    expect(partly.map((device) => device.numaNode)).toEqual([null, null]);
  });

  it('of one resource do not depend on another', () => {
    const gpus = [gpu(0, { numaNode: null }), migGpu(1, ['1g.5gb', '1g.5gb'], { numaNode: 1 })];
    const { resources } = planOf(gpus, { migStrategy: 'mixed' });
    expect(resources.map(({ devices }) => devices.map(({ numaNode }) => numaNode))).toEqual([[null], [1, 1]]);
  });
});

describe('the strategy mixed', () => {
  const mixed = { migStrategy: 'mixed' } as const;

  it('offers GPUs whole and MIG instances by profile', () => {
    const plan = planOf([migGpu(1, ['3g.20gb', '1g.5gb', '1g.5gb']), gpu(0)], mixed);
    expect(idsByResource(plan)).toEqual({
      'nvidia.com/gpu': [gpu(0).uuid],
      'nvidia.com/mig-3g.20gb': [instance(1, '', 1).uuid],
      'nvidia.com/mig-1g.5gb': [instance(2, '', 1).uuid, instance(3, '', 1).uuid],
    });
    expect(plan.degradations).toEqual([]);
  });

  it.each([
    ['1g.10gb+me', 'nvidia.com/mig-1g.10gb.me'],
    ['1g.24gb+me.all', 'nvidia.com/mig-1g.24gb.me.all'],
    ['1g.24gb-me', 'nvidia.com/mig-1g.24gb-me'],
    ['1c.2g.10gb', 'nvidia.com/mig-1c.2g.10gb'],
    ['9g.999gb', 'nvidia.com/mig-9g.999gb'],
  ])('calls %s %s', (profile, name) => {
    expect(Object.keys(idsByResource(planOf([migGpu(0, [profile])], mixed)))).toEqual([name]);
  });

  it.each(['', 'a b', '1g.', `1g.${'5'.repeat(60)}gb`])(
    'says that it cannot name %j, and offers the rest',
    (profile) => {
      const plan = planOf([migGpu(0, [profile, '1g.5gb'])], mixed);
      expect(Object.keys(idsByResource(plan))).toEqual(['nvidia.com/mig-1g.5gb']);
      expect(plan.degradations).toMatchObject([
        { kind: 'unusable-name', message: expect.stringContaining('Name it in resources.mig') as string },
      ]);
    },
  );

  it('offers nothing of a GPU in MIG mode without instances, and says so', () => {
    const plan = planOf([gpu(0), migGpu(1, [])], mixed);
    expect(idsByResource(plan)).toEqual({ 'nvidia.com/gpu': [gpu(0).uuid] });
    expect(plan.degradations).toMatchObject([
      { kind: 'mig-without-instances', message: expect.stringContaining(gpu(1).uuid) as string },
    ]);
  });

  it('marks every instance of a GPU with a fault, and no other', () => {
    const plan = planOf([migGpu(0, ['1g.5gb', '1g.5gb'], { error: 'lost' }), migGpu(1, ['1g.5gb'])], mixed);
    expect(plan.resources[0]?.devices.map(({ fault }) => fault)).toEqual(['lost', 'lost', null]);
  });

  it('marks the one instance that has a fault of its own', () => {
    const faults = new Map([[instance(2, '').uuid, 'no CDI name']]);
    const devices = devicesOf([migGpu(0, ['1g.5gb', '1g.5gb'])], mixed, { faults });
    expect(devices.map(({ fault }) => fault)).toEqual([null, 'no CDI name']);
  });

  it('keeps what it needs of the instance for the answer', () => {
    const [, second] = devicesOf([migGpu(3, ['1g.5gb', '1g.5gb'])], mixed);
    const { uuid, capabilityNodes, memoryMiB, profile } = instance(2, '1g.5gb', 3);
    expect(second).toMatchObject({
      gpu: { uuid: gpu(3).uuid, index: 3, minor: 3 },
      mig: { uuid, position: 1, capabilityNodes, memoryMiB, profile },
      replica: null,
    });
  });
});

describe('the strategy none', () => {
  it('offers GPUs in MIG mode whole, and says what that means', () => {
    const plan = planOf([migGpu(0, ['1g.5gb']), gpu(1)]);
    expect(idsByResource(plan)).toEqual({ 'nvidia.com/gpu': [gpu(0).uuid, gpu(1).uuid] });
    expect(plan.degradations).toMatchObject([{ kind: 'mig-hidden' }]);
  });
});

describe('the strategy single', () => {
  const single = { migStrategy: 'single' } as const;
  const alike = [migGpu(0, ['1g.5gb', '1g.5gb']), migGpu(1, ['1g.5gb'])];
  const ids = (...instances: readonly (readonly [number, number])[]): readonly string[] =>
    instances.map(([index, id]) => instance(id, '', index).uuid);

  it('offers instances as GPUs', () => {
    const plan = planOf(alike, single);
    expect(idsByResource(plan)).toEqual({ 'nvidia.com/gpu': ids([0, 1], [0, 2], [1, 1]) });
    expect(plan.degradations).toEqual([]);
    expect([...plan.profiles]).toEqual([['nvidia.com/gpu', '1g.5gb']]);
  });

  it('offers GPUs whole where none is in MIG mode', () => {
    expect(idsByResource(planOf([gpu(0), gpu(1)], single))).toEqual({
      'nvidia.com/gpu': [gpu(0).uuid, gpu(1).uuid],
    });
  });

  it('of several shapes takes that of the first GPU, and names the GPUs that do not fit', () => {
    const gpus = [gpu(0), migGpu(1, ['3g.20gb', '1g.5gb']), migGpu(2, ['1g.5gb']), migGpu(3, ['3g.20gb'])];
    const plan = planOf(gpus, single);
    expect(idsByResource(plan)).toEqual({ 'nvidia.com/gpu': ids([1, 1], [3, 1]) });
    expect(plan.degradations.map(({ kind, message }) => [kind, /^GPU \d/.exec(message)?.[0]])).toEqual([
      ['mig-mismatch', 'GPU 0'],
      ['mig-mismatch', 'GPU 1'],
      ['mig-mismatch', 'GPU 2'],
    ]);
    expect(plan.degradations[0]?.message).toContain('is not in MIG mode');
    expect(plan.degradations[1]?.message).toContain('1:1 1g.5gb');
  });

  it('keeps to its shape until no instance of it is left', () => {
    const { profiles } = planOf(alike, single);
    const cutAnew = planOf([migGpu(0, ['3g.20gb']), migGpu(1, ['1g.5gb'])], single, { profiles });
    expect(idsByResource(cutAnew)).toEqual({ 'nvidia.com/gpu': ids([1, 1]) });
    const gone = planOf([migGpu(0, ['3g.20gb']), migGpu(1, ['2g.10gb'])], single, {
      profiles: cutAnew.profiles,
    });
    expect(idsByResource(gone)).toEqual({ 'nvidia.com/gpu': ids([0, 1]) });
    expect([...gone.profiles.values()]).toEqual(['3g.20gb']);
  });

  it('begins with the shape that a pod holds', () => {
    const gpus = [migGpu(0, ['3g.20gb']), migGpu(1, ['1g.5gb', '1g.5gb'])];
    const held = new Set([instance(2, '', 1).uuid]);
    const { profiles } = planOf(gpus, single);
    expect([...profiles.values()]).toEqual(['3g.20gb']);
    expect(idsByResource(planOf(gpus, single, { held, profiles }))).toEqual({
      'nvidia.com/gpu': ids([1, 1], [1, 2]),
    });
  });

  it('leaves GPUs and instances alone that have another name', () => {
    const patterns = {
      gpus: [{ pattern: 'Tesla T4', name: 'nvidia.com/t4' as const }],
      mig: [{ pattern: '3g.*', name: 'nvidia.com/big' as const }],
    };
    const gpus = [gpu(0, { name: 'Tesla T4' }), migGpu(1, ['3g.20gb', '1g.5gb'])];
    const plan = planOf(gpus, { ...single, patterns });
    expect(Object.keys(idsByResource(plan))).toEqual(['nvidia.com/t4', 'nvidia.com/big', 'nvidia.com/gpu']);
    expect(plan.degradations).toEqual([]);
  });
});
