import * as z from 'zod';
import { matchesWildcard } from '../lib/wildcard.ts';
import { deviceReference, excludeReference, memoryMiB, resourceName, section } from './file-values.ts';

/** Which products or profiles are offered as which resource. */
export function patterns() {
  const entry = section({
    pattern: z
      .string()
      .min(1)
      .describe('Product name of a GPU or profile of a MIG instance; `*` stands for any characters.'),
    name: resourceName().describe('The resource that it is offered as.'),
  });
  return z.array(entry).superRefine((entries, context) => {
    for (const [index, { pattern }] of entries.entries()) {
      // A pattern that fits the text of another one, stars and all, fits everything that the other one fits.
      const wider = entries.slice(0, index).findIndex((before) => matchesWildcard(before.pattern, pattern));
      if (wider < 0) continue;
      const message = `a pattern that [${wider}] does not fit: of several patterns the first counts, so this one never does`;
      context.addIssue({ code: 'custom', path: [index, 'pattern'], message });
    }
  });
}

/** What is not offered at all. */
export function exclusions() {
  return z.array(excludeReference()).superRefine((references, context) => {
    for (const [index, reference] of references.entries()) {
      const before = references.indexOf(reference);
      if (before < index)
        context.addIssue({ code: 'custom', path: [index], message: `each once; it stands at [${before}]` });
    }
  });
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
