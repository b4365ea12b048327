import { describe, expect, it } from 'vitest';
import { blockOverlapping, type LeftDevice } from '../../src/resources/overlap.ts';
import type { PlannedDevice } from '../../src/resources/planned-device.ts';
import type { ResourceSettings } from '../../src/resources/resource-settings.ts';
import { planOf } from '../support/plans.ts';
import { gpu, migGpu } from '../support/snapshots.ts';

const node = [migGpu(0, ['1g.5gb', '1g.5gb']), gpu(1)];
const slices = (replicas: number): ResourceSettings['timeSlicing'] => ({
  renameByDefault: false,
  failRequestsGreaterThanOne: false,
  resources: ['nvidia.com/gpu', 'nvidia.com/mig-1g.5gb'].map((name) => ({
    name: name as `${string}/${string}`,
    devices: 'all',
    replicas,
  })),
});
const ways = {
  whole: { migStrategy: 'none' },
  sliced: { migStrategy: 'none', timeSlicing: slices(3) },
  instances: { migStrategy: 'mixed' },
  'sliced instances': { migStrategy: 'mixed', timeSlicing: slices(2) },
} as const satisfies Readonly<Record<string, Partial<ResourceSettings>>>;

function devices(way: keyof typeof ways): readonly PlannedDevice[] {
  return planOf(node, ways[way]).resources.flatMap((plan) => plan.devices);
}

/** `0`, `0:1`, `0:1::0` */
function nameOf({ gpu: { index }, mig, replica }: PlannedDevice): string {
  return `${index}${mig === null ? '' : `:${mig.position}`}${replica === null ? '' : `::${replica}`}`;
}

function blocked(before: keyof typeof ways, held: string, after: keyof typeof ways): readonly string[] {
  const left: LeftDevice[] = devices(before)
    .filter((device) => nameOf(device) === held)
    .map((device) => ({ ...device, resource: 'nvidia.com/before' }));
  expect(left).toHaveLength(1);
  const result = blockOverlapping(devices(after), left);
  expect(result.map(({ id }) => id)).toEqual(devices(after).map(({ id }) => id));
  return result.filter(({ fault }) => fault !== null).map((device) => nameOf(device));
}

describe('what a pod may hold as it was keeps from being handed out', () => {
  it.each<[keyof typeof ways, string, keyof typeof ways, readonly string[]]>([
    ['whole', '1', 'whole', ['1']],
    ['whole', '0', 'instances', ['0:0', '0:1']],
    ['whole', '1', 'sliced', ['1::0', '1::1', '1::2']],
    ['sliced', '1::1', 'whole', ['1']],
    ['sliced', '1::1', 'sliced', ['1::1']],
    ['sliced', '0::2', 'instances', ['0:0', '0:1']],
    ['instances', '0:1', 'whole', ['0']],
    ['instances', '0:1', 'sliced', ['0::0', '0::1', '0::2']],
    ['instances', '0:1', 'sliced instances', ['0:1::0', '0:1::1']],
    ['sliced instances', '0:1::0', 'instances', ['0:1']],
    ['sliced instances', '0:1::0', 'sliced instances', ['0:1::0']],
    ['sliced instances', '1::0', 'instances', ['1']],
  ])('%s %s before, %s after: %j', (before, held, after, expected) => {
    expect(blocked(before, held, after)).toEqual(expected);
  });

  it('with the reason, and never in place of another fault', () => {
    const [left] = devices('whole').map((device) => ({ ...device, resource: 'nvidia.com/before' as const }));
    if (left === undefined) throw new Error('nothing planned');
    const [first, second] = devices('instances').map((device, at) => ({
      ...device,
      fault: at === 0 ? 'lost' : null,
    }));
    if (first === undefined || second === undefined) throw new Error('nothing planned');
    expect(blockOverlapping([first, second], [left]).map(({ fault }) => fault)).toEqual([
      'lost',
      `it was offered as ${gpu(0).uuid} of nvidia.com/before, which a pod may still hold`,
    ]);
  });
});
