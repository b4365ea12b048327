import type { MemoryOffer } from '../../../src/allocation/memory/memory-view.ts';
import type { NodeFacts } from '../../../src/allocation/status/describe-node.ts';
import type { Gpu } from '../../../src/inventory/gpu.ts';
import { planMemory } from '../../../src/resources/memory-units.ts';
import { gpu, instance, snapshotOf } from '../../support/snapshots.ts';
import { node, type History } from '../holdings/history.ts';

/** GPUs of 9 GiB with 1 GiB reserved: 8 units each; the last is in MIG mode. */
export const gpus: readonly Gpu[] = ['GPU-a', 'GPU-b', 'GPU-c', 'GPU-d'].map((uuid, index) =>
  gpu(index, {
    uuid,
    memoryTotalMiB: 9 * 1024,
    ...(uuid === 'GPU-d' && {
      mig: { current: true, pending: true },
      migInstances: [{ ...instance(1, '1g.5gb'), uuid: 'MIG-1' }],
    }),
  }),
);

/** What memory is offered of them. */
export function offerOf({ holdings }: History, terms: Partial<MemoryOffer> = {}): MemoryOffer {
  const plan = planMemory(gpus, {
    unitMiB: 1024,
    reservedPerGpuMiB: 1024,
    devices: null,
    override: [],
    timeSliced: new Set(),
  });
  if (plan.kind === 'refused') throw new Error(plan.message);
  const preset = { faults: new Map(), maxPerContainer: 4, fit: 'guaranteed', damping: null } as const;
  return { plan, node, holdings, ...preset, ...terms };
}

/** A node that an agent serves, with this behind it. */
export function nodeFacts(history: History, facts: Partial<NodeFacts> = {}): NodeFacts {
  return {
    agent: { version: '0.1.0', role: 'serving', reason: null },
    inventory: { ageSeconds: 2.4, isStale: false, failure: null, driverClosedUntil: null, unreadable: [] },
    snapshot: snapshotOf(gpus),
    health: new Map(),
    offer: offerOf(history),
    isTracked: true,
    resources: [
      {
        resource: 'nvidia.com/gpu',
        isConnected: true,
        devices: [
          { id: 'GPU-a', gpu: 'GPU-a', unhealthy: 'other-use' },
          { id: 'GPU-b', gpu: 'GPU-b', unhealthy: null },
          { id: 'GPU-c', gpu: 'GPU-c', unhealthy: null },
        ],
      },
      {
        resource: 'nvidia.com/mig-1g.5gb',
        isConnected: true,
        devices: [{ id: 'MIG-1', gpu: 'GPU-d', unhealthy: null }],
      },
    ],
    nowMs: 0,
    ...facts,
  };
}
