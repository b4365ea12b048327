import * as z from 'zod';
import { deviceReference, deviceSelection, memoryMiB, resourceName, section } from './file-values.ts';

/** A sharing block; one that is there names at least one resource (rule V4 of NVIDIA's file: api/config/v1/replicas.go). */
export function sharing(failRequestsGreaterThanOne: boolean) {
  return section({
    renameByDefault: z
      .boolean()
      .default(false)
      .describe('Whether shared resources are called <name>.shared.'),
    failRequestsGreaterThanOne: z
      .boolean()
      .default(failRequestsGreaterThanOne)
      .describe('Whether a container that asks for more than one share is refused.'),
    resources: sharedResources().describe('What is shared.'),
  });
}

function sharedResources() {
  const entry = section({
    name: resourceName().describe('The resource to share.'),
    rename: resourceName().optional().describe('Another name for the shared resource.'),
    devices: deviceSelection()
      .default('all')
      .describe('The GPUs or MIG instances to share; all when left out.'),
    replicas: z.int().min(2).describe('How many containers share one device.'),
  });
  return z
    .array(entry)
    .min(1)
    .superRefine((entries, context) => {
      const names = entries.map(({ name }) => name);
      const index = names.findIndex((name, position) => names.indexOf(name) < position);
      if (index < 0) return;
      context.addIssue({ code: 'custom', path: [index, 'name'], message: 'each resource once' });
    });
}

/** Which products or profiles are offered as which resource. */
export function patterns() {
  const entry = section({
    pattern: z
      .string()
      .min(1)
      .describe('Product name of a GPU or profile of a MIG instance; `*` stands for any characters.'),
    name: resourceName().describe('The resource that it is offered as.'),
  });
  return z.array(entry);
}

/** GPUs whose memory the driver does not tell, and what they have. */
export function memoryOverrides() {
  const entry = section({
    devices: z.array(deviceReference()).min(1).describe('The GPUs that it is about.'),
    total: memoryMiB().describe('Their total memory.'),
  });
  return z.array(entry);
}

/** Driver errors (XIDs) that count otherwise than NVIDIA's catalogue says. */
export function xidClasses() {
  const xids = z.array(z.int().min(1).max(999));
  return section({
    ignore: xids.default([]).describe('XIDs that do not make a GPU unhealthy.'),
    unhealthy: xids.default([]).describe('XIDs that make a GPU unhealthy.'),
  });
}
