import { join } from 'node:path';
import * as z from 'zod';
import type { GpuVerdict } from '../health/verdict.ts';
import { lazy } from '../lib/lazy.ts';
import { ownFolder } from '../lib/own-folder.ts';
import { replacePrivateFile } from './private-file.ts';
import { readVersioned } from './versioned-file.ts';

/** What is held against GPUs, over restarts of the agent and reboots of the node. */
export interface KeptVerdicts {
  /** The boot that they were last looked at in; `null` where that was not known. */
  readonly bootId: string | null;
  /** Wall time, milliseconds since 1970. */
  readonly savedAt: number;
  readonly gpus: readonly GpuVerdict[];
}

/** What the state folder says. `unusable`: there is something, and it is not as this version writes it. */
export type VerdictsReading =
  | { readonly kind: 'verdicts'; readonly kept: KeptVerdicts }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly reason: string };

const fileName = 'health.json';
const formatVersion = 1;
/** 64 GPUs with all that is kept of one take half of it. */
const maxBytes = 1024 * 1024;

/** Keys that are not known are left alone: a later version may have more to say. */
const schema = lazy(() => {
  const word = z.string().max(1000);
  const time = z.number().min(0).max(8.64e15);
  const finding = z.object({
    key: z.string().max(100),
    kind: z.enum(['xid', 'unavailable', 'recovery-action', 'row-remap-failed', 'sram-threshold', 'flapping']),
    xid: z.int().min(0).nullable(),
    xidClass: z
      .enum(['restart-app', 'ignore', 'reset', 'reboot', 'support', 'workflow', 'open', 'unused', 'unknown'])
      .nullable(),
    scope: z
      .object({ gpuInstanceId: z.int().min(0), computeInstanceId: z.int().min(0).nullable() })
      .nullable(),
    effect: z.enum(['unhealthy', 'degraded']),
    what: word,
    remedy: word,
    firstAt: time,
    lastAt: time,
    count: z.number().min(1),
  });
  const gpu = z.object({
    gpu: z.string().max(100),
    state: z.enum(['healthy', 'degraded', 'unhealthy']),
    since: time,
    findings: z.array(finding).max(100),
    unmonitored: z.null(),
    proof: z.enum(['reboot', 'reset']).nullable(),
    action: z.enum(['none', 'reset', 'reboot', 'drain-p2p', 'drain-and-reset', 'other']).nullable(),
    answers: z.boolean().nullable(),
    condemnedAt: z.array(time).max(10),
    tolerated: z.array(z.string().max(100)).max(100),
  });
  return z.object({
    version: z.literal(formatVersion),
    bootId: word.nullable(),
    savedAt: time,
    gpus: z.array(gpu).max(1000),
  });
});

/** Reads the verdicts; never throws. */
export async function readVerdicts(folder: string): Promise<VerdictsReading> {
  const reading = await readVersioned(folder, { name: fileName, version: formatVersion, maxBytes, schema });
  if (reading.kind !== 'read') return reading;
  const { bootId, savedAt, gpus } = reading.content;
  return { kind: 'verdicts', kept: { bootId, savedAt, gpus } };
}

/**
 * Replaces the file, and makes the folder where there is none.
 * @param mayReplace asked at the last moment; where it says no, the old file stays
 * @returns whether it was replaced
 * @throws Error
 */
export async function writeVerdicts(
  folder: string,
  { bootId, savedAt, gpus }: KeptVerdicts,
  mayReplace: () => boolean,
): Promise<boolean> {
  await ownFolder(folder);
  const text = `${JSON.stringify({ version: formatVersion, bootId, savedAt, gpus })}\n`;
  return replacePrivateFile(join(folder, fileName), text, mayReplace);
}
