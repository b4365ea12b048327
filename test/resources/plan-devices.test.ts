import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/inventory/gpu.ts';
import { noCircumstances, planResources, type ResourcePlan } from '../../src/resources/plan.ts';
import type { PlannedDevice } from '../../src/resources/planned-device.ts';
import { nextRoster, type RosterDevice } from '../../src/resources/roster.ts';
import { defaultResources } from '../support/plans.ts';
import { gpu, migGpu, snapshotOf } from '../support/snapshots.ts';

const gpuResource = 'nvidia.com/gpu';

function plan(
  gpus: readonly Gpu[],
  { replicas = 1, faults = new Map<string, string>() },
  before: readonly ResourcePlan[] = [],
): readonly ResourcePlan[] {
  const resources = [{ name: gpuResource, devices: 'all', replicas }] as const;
  const timeSlicing = { renameByDefault: false, failRequestsGreaterThanOne: false, resources };
  const settings = { ...defaultResources, migStrategy: 'mixed', timeSlicing } as const;
  return planResources(snapshotOf(gpus), settings, { ...noCircumstances, faults }, before).resources;
}

function devices(resources: readonly ResourcePlan[]): readonly PlannedDevice[] {
  return resources.find(({ resource }) => resource === gpuResource)?.devices ?? [];
}

const node = fc.record({
  gpus: fc.uniqueArray(fc.nat(5), { maxLength: 5 }),
  inMigMode: fc.nat(8),
  numaNode: fc.constantFrom(0, 1, null),
  memoryTotalMiB: fc.constantFrom(40_960, 81_920),
  replicas: fc.integer({ min: 1, max: 4 }),
  faulty: fc.nat(5),
  fault: fc.constantFrom(null, 'lost', 'XID 79'),
});

describe('a plan after another one', () => {
  it('is what it would be without the one before, whatever has changed', () => {
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 6 }), (nodes) => {
        let before: readonly ResourcePlan[] = [];
        for (const { gpus, inMigMode, replicas, faulty, fault, ...facts } of nodes) {
          const snapshot = gpus.map((index) =>
            index === inMigMode ? migGpu(index, ['1g.5gb', '1g.5gb'], facts) : gpu(index, facts),
          );
          const faults = fault === null ? new Map<string, string>() : new Map([[gpu(faulty).uuid, fault]]);
          const next = plan(snapshot, { replicas, faults }, before);
          expect(next).toEqual(plan(snapshot, { replicas, faults }));
          before = next;
        }
      }),
    );
  });

  it('has the very list of before when nothing is new', () => {
    const gpus = [gpu(0), gpu(1)];
    const first = plan(gpus, { replicas: 3 });
    expect(devices(plan([gpu(1), gpu(0)], { replicas: 3 }, first))).toBe(devices(first));
    expect(devices(plan([gpu(0)], { replicas: 3 }, first))).not.toBe(devices(first));
  });

  it('makes only the devices of a GPU with news anew, on the list as well', () => {
    const gpus = [gpu(0), gpu(1), gpu(2)];
    const first = plan(gpus, { replicas: 2 });
    const second = plan(gpus, { replicas: 2, faults: new Map([[gpu(1).uuid, 'XID 79']]) }, first);
    const holds = { nowMs: 0, inUse: new Set<string>() };
    const roster = nextRoster([], devices(first), holds);
    const next = nextRoster(roster, devices(second), holds);
    const isSame = (one: readonly PlannedDevice[], other: readonly PlannedDevice[]): readonly boolean[] =>
      other.map((device, at) => device === one[at]);
    const others = [true, true, false, false, true, true];
    expect(isSame(devices(first), devices(second))).toEqual(others);
    expect(isSame(roster, next)).toEqual(others);
    expect(next.map(({ fault }: RosterDevice) => fault)).toEqual([
      null,
      null,
      'XID 79',
      'XID 79',
      null,
      null,
    ]);
    expect(nextRoster(next, devices(second), holds)).toBe(next);
  });
});
