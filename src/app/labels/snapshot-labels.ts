import type { Config } from '../../config/config.ts';
import type { Snapshot } from '../../inventory/gpu.ts';
import { describeLabels } from '../../labels/node-labels.ts';
import type { Labels } from '../../labels/label-text.ts';
import { planResources } from '../../resources/plan.ts';
import { labelContent } from './label-settings.ts';
import { readMachineType } from './machine-type.ts';
import { planNodeMemory, withoutMemoryOnly } from '../offers/memory-terms.ts';
import { resourceSettings } from '../settings.ts';

/** The labels that an agent which starts now would give a node with these GPUs. */
export async function snapshotLabels(snapshot: Snapshot, config: Config): Promise<Labels> {
  const settings = resourceSettings(config);
  const { machineTypeFile, timestamp } = labelContent(config);
  const { resources } = planResources(snapshot, settings);
  const facts = { snapshot, resources, nodeFault: null, faults: new Map(), needsDeviceNode: false };
  const { memoryOnly } = planNodeMemory(config.memory, facts).terms.plan;
  return describeLabels({
    snapshot,
    resources: withoutMemoryOnly(resources, memoryOnly),
    settings,
    machine: await readMachineType(machineTypeFile),
    timestampSeconds: timestamp ? Date.now() / 1000 : null,
  });
}
