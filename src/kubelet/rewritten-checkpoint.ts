import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { checkpointName } from './checkpoint.ts';

const lookEveryMs = 10;

/**
 * Does what makes the kubelet write its record, and waits until the file is another one. The kubelet replaces the file as a whole.
 * @param folder that of kubelet.sock
 * @returns false when the file is still the same after `withinMs`
 */
export async function waitUntilRewritten(
  folder: string,
  provoke: () => void,
  withinMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const path = join(folder, checkpointName);
  const before = identityOf(path);
  const endMs = clock.now() + withinMs;
  provoke();
  while (identityOf(path) === before) {
    if (clock.now() >= endMs) return false;
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
