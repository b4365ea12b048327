import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { checkpointName } from './checkpoint.ts';

const lookEveryMs = 10;
/** Whoever heard the list may have gone before it wrote anything. */
const provokeAgainMs = 1000;

/**
 * Does what makes the kubelet write its record, and waits until the file is another one. The kubelet replaces the file as a whole.
 * @param folder that of kubelet.sock
 * @param provoke returns false while no kubelet listens, as in the first moments of a registration; it is then done again soon
 * @returns false when the file is still the same after `withinMs`
 */
export async function waitUntilRewritten(
  folder: string,
  provoke: () => boolean,
  withinMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const path = join(folder, checkpointName);
  const before = identityOf(path);
  const endMs = clock.now() + withinMs;
  let heardMs = Number.NEGATIVE_INFINITY;
  while (identityOf(path) === before) {
    const nowMs = clock.now();
    if (nowMs >= endMs) return false;
    if (nowMs - heardMs >= provokeAgainMs && provoke()) heardMs = nowMs;
    await clock.sleep(lookEveryMs, signal);
  }
  return true;
}

function identityOf(path: string): string | null {
  try {
    const { dev, ino, ctimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${ctimeNs}`;
  } catch {
    return null;
  }
}
