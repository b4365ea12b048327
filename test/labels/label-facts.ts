import type { Gpu, Snapshot } from '../../src/inventory/gpu.ts';
import { describeLabels } from '../../src/labels/node-labels.ts';
import { planResources } from '../../src/resources/plan.ts';
import type { ResourceSettings, SharedResource } from '../../src/resources/resource-settings.ts';
import { snapshotOf } from '../support/snapshots.ts';

/** Settings as an empty config has them; what a test cares about is overridden. */
export function settings(overrides: Partial<ResourceSettings> = {}): ResourceSettings {
  return {
    migStrategy: 'none',
    patterns: { gpus: [{ pattern: '*', name: 'nvidia.com/gpu' }], mig: [] },
    exclude: [],
    timeSlicing: null,
    ...overrides,
  };
}

/** Settings with time-slicing of these resources. */
export function slicing(
  resources: readonly Pick<SharedResource, 'name' | 'replicas' | 'rename'>[],
  renameByDefault = false,
): Partial<ResourceSettings> {
  const shared = resources.map((each) => ({ devices: 'all' as const, ...each }));
  return { timeSlicing: { renameByDefault, failRequestsGreaterThanOne: false, resources: shared } };
}

/** The labels of a node with these GPUs, without the domain and without those of single models. */
export function labelsOf(
  gpus: readonly Gpu[],
  overrides: Partial<ResourceSettings> = {},
): Readonly<Record<string, string>> {
  const all = allLabelsOf(snapshotOf(gpus), overrides);
  return Object.fromEntries(
    Object.entries(all)
      .map(([name, value]) => [name.replace('nvidia.com/', ''), value] as const)
      .filter(([name]) => !name.startsWith('gpu.model.')),
  );
}

/** Every label, as Kubernetes gets it. */
export function allLabelsOf(
  snapshot: Snapshot,
  overrides: Partial<ResourceSettings> = {},
): Readonly<Record<string, string>> {
  const resourceSettings = settings(overrides);
  return describeLabels({
    snapshot,
    ...planResources(snapshot, resourceSettings),
    settings: resourceSettings,
    machine: 'DGX H100',
    timestampSeconds: 1_800_000_000.9,
  });
}
