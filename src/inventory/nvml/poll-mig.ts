import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import { msToStep } from '../../lib/in-step.ts';
import type { Latest } from '../../lib/latest.ts';

export interface MigPollDeps {
  readonly clock: Clock;
  readonly pauseMs: number;
  /** True while the last snapshot has a GPU that can do MIG. */
  readonly capable: Latest<boolean>;
  /** What changed, in words; empty for nothing. May fail: then the next snapshot tells why. */
  readonly ask: () => Promise<string>;
  readonly tell: (change: string) => void;
}

/**
 * Asks every few seconds whether MIG has changed, as long as a GPU can do it: no driver tells reliably of it unasked. Ends
 * quietly when the signal aborts.
 */
export async function pollMig(
  { clock, pauseMs, capable, ask, tell }: MigPollDeps,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await capable.until((yes) => yes, signal);
      await clock.sleep(msToStep(clock, pauseMs), signal);
      const change = await ask().catch(() => '');
      if (change !== '') tell(change);
    }
  } catch (thrown) {
    if (!isAbort(thrown)) throw thrown;
  }
}
