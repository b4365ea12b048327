import { setTimeout as delay } from 'node:timers/promises';
import type { Terminal } from './terminal.ts';

/** The agent looks each second. */
const heardWithinMs = 10_000;
const lookEveryMs = 100;

/**
 * Waits until an agent has taken up a word that was left for it; that none has is said.
 * @param isWaiting whether the word is still there
 */
export async function waitUntilHeard(
  isWaiting: () => Promise<boolean>,
  folder: string,
  { stderr, signal }: Pick<Terminal, 'stderr' | 'signal'>,
): Promise<boolean> {
  const end = performance.now() + heardWithinMs;
  while (await isWaiting()) {
    if (performance.now() > end || signal.aborted) {
      stderr.write(
        `slicewise: no agent has heard it yet; one that serves this node with the state folder ${folder} will\n`,
      );
      return false;
    }
    await delay(lookEveryMs);
  }
  return true;
}
