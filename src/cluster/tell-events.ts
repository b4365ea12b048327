import type { Clock } from '../lib/clock.ts';
import { describeError, isAbort } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import { warnOnceEach } from '../lib/once-each.ts';
import type { Log } from '../lib/log.ts';
import { backoffMs } from '../lib/retry.ts';
import type { ApiProblem, NodeEvent, OwnNodeApi } from './node-api.ts';

export interface TellEventsDeps {
  readonly openApi: () => Promise<OwnNodeApi>;
  readonly clock: Clock;
  readonly log: Log;
}

/** At most so often: what is wrong and good again by turns every second is told of by its newest state. */
const paceMs = 10_000;
const backoff = { firstMs: 1000, maxMs: 300_000 };

/**
 * Writes each newest Event about the node, one at a time. Ends with the signal and never fails: what goes wrong is said once and tried
 * again, later and later, for as long as the Event is the newest.
 */
export async function tellEvents(
  newest: Latest<NodeEvent | null>,
  { openApi, clock, log }: TellEventsDeps,
  signal: AbortSignal,
): Promise<void> {
  const warn = warnOnceEach(log);
  let told: NodeEvent | null = null;
  let failures = 0;
  try {
    while (!signal.aborted) {
      const event = await newest.until((each) => each !== null && each !== told, signal);
      if (event === null) continue;
      const problem = await tellOnce(event, openApi, signal);
      if (signal.aborted) return;
      failures = problem === null ? 0 : failures + 1;
      if (problem === null) told = event;
      warn(problem === null ? '' : `no Event is written, trying on: ${problem.message}`);
      const pauseMs = problem === null ? 0 : Math.max(backoffMs(backoff, failures), problem.retryAfterMs);
      await clock.sleep(Math.max(paceMs, pauseMs), signal);
    }
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

async function tellOnce(
  event: NodeEvent,
  openApi: TellEventsDeps['openApi'],
  signal: AbortSignal,
): Promise<ApiProblem | null> {
  let opened: OwnNodeApi;
  try {
    opened = await openApi();
  } catch (thrown) {
    return { kind: 'no-access', message: describeError(thrown), retryAfterMs: 0 };
  }
  await using api = opened;
  return await api.tell(event, signal);
}
