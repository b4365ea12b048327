import type { Gpu } from '../../src/inventory/gpu.ts';
import { planResources, type NodePlan, type PlanCircumstances } from '../../src/resources/plan.ts';
import { noCircumstances } from '../../src/resources/plan.ts';
import type { PlannedDevice } from '../../src/resources/planned-device.ts';
import type { ResourceSettings } from '../../src/resources/resource-settings.ts';
import { snapshotOf } from './snapshots.ts';

/** The resource settings that hold when nothing is configured. */
export const defaultResources: ResourceSettings = {
  migStrategy: 'none',
  patterns: { gpus: [{ pattern: '*', name: 'nvidia.com/gpu' }], mig: [] },
  exclude: ['DGX Display', 'NVIDIA DGX Display'],
  timeSlicing: null,
};

/** The plan of a node with these GPUs. */
export function planOf(
  gpus: readonly Gpu[],
  settings: Partial<ResourceSettings> = {},
  circumstances: Partial<PlanCircumstances> = {},
): NodePlan {
  return planResources(
    snapshotOf(gpus),
    { ...defaultResources, ...settings },
    { ...noCircumstances, ...circumstances },
  );
}

/** Devices of the node's first resource. */
export function devicesOf(
  gpus: readonly Gpu[],
  settings: Partial<ResourceSettings> = {},
  circumstances: Partial<PlanCircumstances> = {},
): readonly PlannedDevice[] {
  return planOf(gpus, settings, circumstances).resources[0]?.devices ?? [];
}

/** Each resource with its ids, for comparison. */
export function idsByResource(plan: NodePlan): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    plan.resources.map(({ resource, devices }) => [resource, devices.map(({ id }) => id)]),
  );
}
