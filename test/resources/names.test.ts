import { describe, expect, it } from 'vitest';
import type { NamePattern } from '../../src/resources/resource-settings.ts';
import { idsByResource, planOf } from '../support/plans.ts';
import { gpu, instance, migGpu } from '../support/snapshots.ts';

const node = [
  gpu(0, { name: 'Tesla T4' }),
  gpu(1, { name: 'NVIDIA L4' }),
  migGpu(2, ['1g.5gb', '1g.5gb+me', '2g.10gb']),
];

function named(gpus: readonly NamePattern[], mig: readonly NamePattern[] = []) {
  const plan = planOf(node, { migStrategy: 'mixed', patterns: { gpus, mig } });
  return { names: idsByResource(plan), notices: plan.notices };
}

describe('names by pattern', () => {
  it('are those of the first pattern that fits the whole product or profile', () => {
    const { names, notices } = named(
      [
        { pattern: '*T4', name: 'nvidia.com/t4' },
        { pattern: '*', name: 'nvidia.com/other' },
      ],
      [
        { pattern: '1g.5gb', name: 'nvidia.com/plain' },
        { pattern: '1g.*', name: 'nvidia.com/small' },
      ],
    );
    const [plain, withMedia, big] = [1, 2, 3].map((id) => instance(id, '', 2).uuid);
    expect(names).toEqual({
      'nvidia.com/t4': [gpu(0).uuid],
      'nvidia.com/other': [gpu(1).uuid],
      'nvidia.com/plain': [plain],
      'nvidia.com/small': [withMedia],
      'nvidia.com/mig-2g.10gb': [big],
    });
    expect(notices).toEqual([
      "resources.mig: no pattern fits '2g.10gb': it is offered as nvidia.com/mig-2g.10gb",
    ]);
  });

  it('stay the default where none fits, and the patterns that fit nothing are told', () => {
    const { names, notices } = named([{ pattern: 'T4', name: 'nvidia.com/t4' }]);
    expect(names['nvidia.com/gpu']).toEqual([gpu(0).uuid, gpu(1).uuid]);
    expect(notices).toEqual([
      "resources.gpus: no pattern fits 'Tesla T4': it is offered as nvidia.com/gpu",
      "resources.gpus: no pattern fits 'NVIDIA L4': it is offered as nvidia.com/gpu",
      "resources.gpus[0]: the pattern 'T4' fits nothing on this node",
    ]);
  });
});

describe('what is excluded', () => {
  it.each<[string, readonly string[]]>([
    ['0', ['1', '2']],
    [gpu(1).uuid, ['0', '2']],
    [gpu(1).uuid.toUpperCase(), ['0', '2']],
    ['00000000:11:00.0', ['0', '2']],
    ['0000:11:00.0', ['0', '2']],
    ['11:00.0', ['0', '2']],
    ['Tesla T4', ['1', '2']],
    ['*4', ['2']],
    ['T4', ['0', '1', '2']],
  ])('%s', (reference, left) => {
    const plan = planOf(node, { exclude: [reference] });
    expect(plan.resources[0]?.devices.map((device) => String(device.gpu.index))).toEqual(left);
    const expected = left.length === 3 ? [`exclude: ${reference} fits nothing on this node`] : [];
    expect(plan.notices).toEqual(expected);
  });

  it.each(['2:1', instance(2, '', 2).uuid, `MIG-${gpu(2).uuid}/2/0`])('a MIG instance by %s', (reference) => {
    const plan = planOf(node, { migStrategy: 'mixed', exclude: [reference] });
    expect(Object.keys(idsByResource(plan))).toEqual([
      'nvidia.com/gpu',
      'nvidia.com/mig-1g.5gb',
      'nvidia.com/mig-2g.10gb',
    ]);
  });

  it('a GPU with all its instances', () => {
    const plan = planOf(node, { migStrategy: 'mixed', exclude: ['2'] });
    expect(Object.keys(idsByResource(plan))).toEqual(['nvidia.com/gpu']);
  });

  it.each(['DGX Display', 'NVIDIA DGX Display'])(
    '%s, which drives a display only, unless the list says otherwise',
    (name) => {
      const gpus = [gpu(0), gpu(1, { name })];
      expect(planOf(gpus)).toMatchObject({ resources: [{ devices: [{ id: gpu(0).uuid }] }], notices: [] });
      expect(planOf([gpu(0, { name })]).resources).toEqual([]);
      expect(planOf(gpus, { exclude: [] }).resources[0]?.devices).toHaveLength(2);
    },
  );
});
