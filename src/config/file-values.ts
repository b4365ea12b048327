import * as z from 'zod';
import { isResourceName, maxResourceNameLength } from '../lib/qualified-name.ts';
import type { ResourceName } from '../resources/resource-name.ts';

/** A map whose keys are all known; the text of its error names them. */
export function section<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? Object.keys(shape).join(', ') : 'a map of keys and values',
  });
}

const resourceNameText = `a resource name such as nvidia.com/gpu, of at most ${maxResourceNameLength} characters`;

/**
 * A resource name; `nvidia.com/` is put before one without a domain. At most 63 characters in all, the part after the
 * slash a DNS-1123 subdomain (api/config/v1/resources.go of NVIDIA's plugin).
 */
export const resourceName = () =>
  z.string({ error: resourceNameText }).transform((given, context): ResourceName => {
    const name = given.includes('/') ? given : `nvidia.com/${given}`;
    if (isResourceName(name)) return name;
    context.addIssue({ code: 'custom', message: resourceNameText });
    return z.NEVER;
  });

const uuid = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const referenceText =
  'a GPU index, a MIG index such as 0:1, GPU-<uuid>, MIG-<uuid> or MIG-GPU-<uuid>/<gpu instance>/<compute instance>';

/** One GPU or MIG instance, by index or UUID (rule V5 of NVIDIA's file: api/config/v1/replicas.go). Always text. */
export const deviceReference = () =>
  z
    .union(
      [
        z.int({ error: referenceText }).min(0, { error: referenceText }),
        z.string().regex(new RegExp(`^(?:\\d+|\\d+:\\d+|(?:GPU|MIG)-${uuid}|MIG-GPU-${uuid}/\\d+/\\d+)$`), {
          error: referenceText,
        }),
      ],
      { error: referenceText },
    )
    .transform(String);

const excludeText =
  'a GPU or MIG instance by index or UUID, a PCI address such as 0000:1b:00.0, or a product name, in which * stands for any characters';

/** What is not to be offered: a device reference, a PCI address, or a pattern of product names. Always text. */
export const excludeReference = () =>
  z
    .union(
      [
        z.int({ error: excludeText }).min(0, { error: excludeText }),
        // What begins like a UUID is meant as one.
        z
          .string()
          .regex(new RegExp(`^(?:(?:GPU|MIG)-${uuid}|MIG-GPU-${uuid}/\\d+/\\d+|(?!GPU-|MIG-)[^\\0]+)$`), {
            error: excludeText,
          }),
      ],
      { error: excludeText },
    )
    .transform(String);

const devicesText = 'all, a count above 0, or a list of GPU indexes, MIG indexes or UUIDs';

/** The devices that a sharing entry is about. */
export const deviceSelection = () =>
  z.union([z.literal('all'), z.int().min(1, { error: devicesText }), z.array(deviceReference()).min(1)], {
    error: devicesText,
  });

const memoryText = 'an amount of memory in whole MiB or GiB, for example 512Mi or 4Gi';

/** An amount of GPU memory as Kubernetes writes it, in MiB. */
export const memoryMiB = () =>
  z
    .string({ error: memoryText })
    .regex(/^(?:0|\d{1,9}(?:Mi|Gi))$/, { error: memoryText })
    .transform((given) => Number.parseInt(given, 10) * (given.endsWith('Gi') ? 1024 : 1));

/** The text that `memoryMiB` reads back. */
export function formatMemory(mebibytes: number): string {
  if (mebibytes === 0) return '0';
  return mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`;
}
