import { setTimeout as delay } from 'node:timers/promises';

/** Far more than anything takes that goes well; only a test that fails waits for so long. */
export const patienceMs = 60_000;

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
  const end = performance.now() + deadlineMs;
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (accepts(answer)) return answer;
      last = answer;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() > end) {
      const seen = last instanceof Error ? String(last) : JSON.stringify(last, null, 1);
      throw new Error(`Not within ${deadlineMs / 1000} s: ${what}. The last answer:\n${seen}`);
    }
    await delay(30);
  }
}
