import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import { warnOnceEach } from '../lib/once-each.ts';
import type { Log } from '../lib/log.ts';
import { backoffMs } from '../lib/retry.ts';
import { untilOrPause } from '../lib/until-or-pause.ts';
import type { EventQueue, Waiting } from './event-queue.ts';
import type { ApiProblem, ApiProblemKind, EventApi, EventSubject } from './node-api.ts';
import { OpenedApi } from './opened-api.ts';

export interface TellEventsDeps {
  readonly openApi: () => Promise<EventApi>;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears of each attempt. */
  readonly observe: (result: 'written' | 'failed') => void;
}

/** All together at most five a second. */
const paceMs = 200;
const backoff = { firstMs: 1000, maxMs: 300_000 };
/** An Event about a pod that is refused so often is given up: the pod or its namespace may be gone. */
const triesForPod = 8;
/** Problems of one Event; all others are the API server's, and every Event waits then. */
const ownProblems: readonly ApiProblemKind[] = ['refused', 'no-node', 'conflict'];

/**
 * Writes Events, one at a time. Ends with the signal and never fails: what goes wrong is said once and tried again, later and later, until it
 * works or there is news of the same matter.
 */
export async function tellEvents(
  queue: EventQueue,
  deps: TellEventsDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = deps;
  await using teller = new EventTeller(queue, deps);
  try {
    while (!signal.aborted) {
      const seen = queue.changes.value;
      const due = queue.take(clock.now());
      if (due.kind === 'wait') {
        // Between two Events may lie a month.
        await teller.close();
        await untilOrPause(queue.changes, (value) => value !== seen, due.forMs, clock, signal);
        continue;
      }
      const pauseMs = await teller.tell(due.waiting, signal);
      const dropped = queue.takeDropped();
      if (dropped > 0) log.warn(`${dropped} Events are not written: too many were waiting`);
      await clock.sleep(pauseMs, signal);
    }
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

/** Writes one Event for each call, and says when that begins or ceases to work. */
class EventTeller implements AsyncDisposable {
  readonly #queue: EventQueue;
  readonly #clock: Clock;
  readonly #api: OpenedApi<EventApi>;
  readonly #observe: TellEventsDeps['observe'];
  /** The rights for the one and the other differ, and may be there for one alone. */
  readonly #warn: Readonly<Record<EventSubject['kind'], (trouble: string) => void>>;
  /** In a row, of the API server's own. */
  #failures = 0;

  constructor(queue: EventQueue, { openApi, clock, log, observe }: TellEventsDeps) {
    this.#queue = queue;
    this.#observe = observe;
    this.#clock = clock;
    this.#api = new OpenedApi(openApi);
    this.#warn = { node: warnOnceEach(log), pod: warnOnceEach(log) };
  }

  /** Resolves with the time until the next one may be written. */
  async tell(waiting: Waiting, signal: AbortSignal): Promise<number> {
    const { event } = waiting;
    const warn = this.#warn[event.about.kind];
    const answer = await this.#api.use(async (opened) => {
      const problem = await opened.tell(event, signal);
      return problem === null ? { ok: true, value: null } : { ok: false, problem };
    });
    if (signal.aborted) return 0;
    this.#observe(answer.ok ? 'written' : 'failed');
    if (answer.ok) {
      this.#queue.written(waiting, this.#clock.now());
      this.#failures = 0;
      warn('');
      return paceMs;
    }
    warn(`no Event is written, trying on: ${answer.problem.message}`);
    return this.#putBack(waiting, answer.problem);
  }

  async close(): Promise<void> {
    await this.#api.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #putBack(waiting: Waiting, { kind, retryAfterMs }: ApiProblem): number {
    const isOwn = ownProblems.includes(kind);
    const tries = waiting.tries + 1;
    this.#failures = isOwn ? 0 : this.#failures + 1;
    const pauseMs = Math.max(backoffMs(backoff, isOwn ? tries : this.#failures), retryAfterMs);
    const isGivenUp = isOwn && waiting.event.about.kind === 'pod' && tries >= triesForPod;
    if (!isGivenUp) this.#queue.putBack(waiting, this.#clock.now() + pauseMs);
    return isOwn ? paceMs : pauseMs;
  }
}
