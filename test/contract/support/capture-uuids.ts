import { readFileSync } from 'node:fs';
import type { Capture } from '../../support/smi-replay.ts';

/** UUIDs of the GPUs in what nvidia-smi printed on a real machine, in the order of the first time they appear. */
export function readUuids(capture: Capture): readonly string[] {
  const text = readFileSync(new URL(`../../inventory/captures/${capture}.txt`, import.meta.url), 'utf8');
  const found = text.matchAll(/GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g);
  return [...new Set([...found].map(([uuid]) => uuid))];
}
