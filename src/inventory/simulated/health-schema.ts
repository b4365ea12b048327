import * as z from 'zod';
import { recoveryActions, slowdowns } from '../gpu-signs.ts';
import { strict } from './strict-object.ts';

/** What a scenario's GPU shows when it is asked how it is; a key left out keeps what it was, at the start that of a healthy GPU. */
export const signFigures = {
  recoveryAction: z.enum(recoveryActions).nullable().optional(),
  rowRemap: strict({ failed: z.boolean(), pending: z.boolean() }).nullable().optional(),
  sramThresholdExceeded: z.boolean().nullable().optional(),
  slowdowns: z.array(z.enum(slowdowns)).max(2).optional(),
  nvlinksDown: z.int().min(0).max(36).nullable().optional(),
  unmonitored: z.string().min(1).max(500).nullable().optional(),
} as const;

/**
 * What every event has that tells of an incident. With an `id` it is told once in the driver's life, however often the file is
 * read anew; without, once each time that its moment comes. `gpu: null` is a report that names no GPU.
 */
const incident = {
  gpu: z.int().min(0).max(63).nullable(),
  id: z
    .union([z.int(), z.string().min(1).max(100)], { error: 'allowed: a whole number or a text' })
    .optional(),
  gpuInstanceId: z.int().min(0).max(14).optional(),
  computeInstanceId: z.int().min(0).max(7).optional(),
  count: z.int().min(1).max(1_000_000).optional(),
} as const;

/** The events of a timeline that a driver would tell unasked, each without its time. */
export const incidentEvents = {
  xid: { ...incident, do: z.literal('xid'), xid: z.int().min(0).max(4_294_967_295) },
  ecc: { ...incident, do: z.literal('ecc') },
  unavailable: { ...incident, do: z.literal('unavailable') },
  'recovery-action': {
    ...incident,
    gpu: z.int().min(0).max(63),
    do: z.literal('recovery-action'),
    recoveryAction: z.enum(recoveryActions),
  },
} as const;
