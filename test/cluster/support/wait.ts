import { setTimeout as delay } from 'node:timers/promises';

/** Far more than anything takes that goes well; only a test that fails waits for so long. */
export const patienceMs = 60_000;

const firstPauseMs = 30;
const longestPauseMs = 250;

/** How long to rest before the same question is asked once more: it costs the machine something, and is late by a twentieth at most. */
function pauseMs(waitedMs: number): number {
  return Math.min(longestPauseMs, firstPauseMs + waitedMs / 20);
}

/**
 * Asks until the answer will do, and resolves with it. A question that throws is asked again.
 * @throws at the deadline, with the last answer
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T>,
  accepts: (answer: T) => boolean,
  deadlineMs = patienceMs,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (accepts(answer)) return answer;
      last = answer;
    } catch (thrown) {
      last = thrown;
    }
    const waitedMs = performance.now() - start;
    if (waitedMs > deadlineMs) {
      const seen = last instanceof Error ? String(last) : JSON.stringify(last, null, 1);
      throw new Error(`Not within ${deadlineMs / 1000} s: ${what}. The last answer:\n${seen}`);
    }
    await delay(pauseMs(waitedMs));
  }
}
