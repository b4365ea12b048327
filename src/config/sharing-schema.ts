import * as z from 'zod';
import { isResourceName, maxResourceNameLength } from '../lib/qualified-name.ts';
import type { ResourceName } from '../resources/resource-name.ts';
import type { SharedResource } from '../resources/resource-settings.ts';
import { deviceSelection, resourceName, section } from './file-values.ts';

/** Devices that a resource can have: the kubelet takes no longer list (src/resources/list-limits.ts). */
const maxDevices = 20_000;
const replicasText = `a whole number from 1 to ${maxDevices}`;

/** A sharing block; one that is there names at least one resource (rule V4 of NVIDIA's file: api/config/v1/replicas.go). */
export function sharing(failRequestsGreaterThanOne: boolean) {
  return section({
    renameByDefault: z
      .boolean()
      .default(false)
      .describe('Whether shared resources without a name of their own are called <name>.shared.'),
    failRequestsGreaterThanOne: z
      .boolean()
      .default(failRequestsGreaterThanOne)
      .describe('Whether a container that asks for more than one share is refused.'),
    resources: z
      .array(sharedResource())
      .min(1)
      .superRefine((entries, context) => {
        for (const { path, message } of checkEntries(entries))
          context.addIssue({ code: 'custom', path: [...path], message });
      })
      .describe('What is shared; the first entry that fits a device counts.'),
  }).superRefine(({ renameByDefault, resources }, context) => {
    for (const [index, { name, rename }] of resources.entries()) {
      if (!renameByDefault || rename !== undefined || isResourceName(`${name}.shared`)) continue;
      const excess = name.length + '.shared'.length - maxResourceNameLength;
      const message = `a name that is ${excess} ${excess === 1 ? 'character' : 'characters'} shorter, so that ${name}.shared has at most ${maxResourceNameLength}; or a rename`;
      context.addIssue({ code: 'custom', path: ['resources', index, 'name'], message });
    }
  });
}

function sharedResource() {
  return section({
    name: resourceName().describe('The resource to share; it may stand in several entries.'),
    rename: resourceName().optional().describe('Another name for the shared resource.'),
    devices: deviceSelection()
      .default('all')
      .describe('The GPUs or MIG instances to share; all that no earlier entry has when left out.'),
    replicas: z
      .int({ error: replicasText })
      .min(1, { error: replicasText })
      .max(maxDevices, { error: replicasText })
      .describe('How many containers share one device; 1 leaves it unshared.'),
  });
}

interface Fault {
  readonly path: readonly PropertyKey[];
  /** What is allowed instead. */
  readonly message: string;
}

/** What can be told to be wrong without knowing a node: entries that can never count, and lists that no kubelet takes. */
function checkEntries(entries: readonly SharedResource[]): readonly Fault[] {
  const all = new Map<ResourceName, number>();
  const named = new Map<string, string>();
  const faults: Fault[] = [];
  for (const [index, { name, devices, replicas }] of entries.entries()) {
    const taken = all.get(name);
    if (taken !== undefined) {
      const message = `nothing after resources[${taken}], which takes all devices of ${name}; move this entry before it`;
      faults.push({ path: [index, 'name'], message });
    }
    if (devices === 'all') all.set(name, index);
    if (typeof devices === 'object') {
      for (const [at, reference] of devices.entries()) {
        const key = `${name} ${reference.toLowerCase()}`;
        const before = named.get(key);
        if (before !== undefined)
          faults.push({ path: [index, 'devices', at], message: `each device once; it stands at ${before}` });
        else named.set(key, `resources[${index}].devices[${at}]`);
      }
    }
    const count = devices === 'all' ? 1 : typeof devices === 'number' ? devices : devices.length;
    if (count > 1 && count * replicas > maxDevices) {
      const fitting = Math.floor(maxDevices / count);
      const message =
        fitting === 0
          ? `at most ${maxDevices} devices; ${count} are asked`
          : `at most ${fitting} for ${count} devices: a resource has ${maxDevices} at most`;
      faults.push({ path: [index, fitting === 0 ? 'devices' : 'replicas'], message });
    }
  }
  return faults;
}
