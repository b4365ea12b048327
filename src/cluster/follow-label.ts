import type { Clock } from '../lib/clock.ts';
import { describeError, isAbort } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import { onceEach } from '../lib/once-each.ts';
import { backoffMs } from '../lib/retry.ts';
import type { ApiProblem, Labels, OwnNodeApi } from './node-api.ts';

/** What is known of one label of a node. */
export interface LabelState {
  /** What it says; `null` where the node does not have it or it is empty; `undefined` while nothing is known. */
  readonly value: string | null | undefined;
  /** Why it cannot be read now; `null` when it can. */
  readonly problem: string | null;
}

export interface FollowLabelDeps {
  readonly nodeName: string;
  readonly label: string;
  /** Opens the way to the node; what it throws is said and tried again. */
  readonly openApi: () => Promise<OwnNodeApi>;
  readonly clock: Clock;
  readonly log: Log;
}

/** At least this long from one list to the next: an API server that ends each watch at once is not asked for ever more. */
const paceMs = 1000;
const backoff = { firstMs: 500, maxMs: 30_000 };

/**
 * Keeps `state` as the node's label is. What was known stays when the API server cannot be asked. Ends with the signal and never fails:
 * what goes wrong is said once, and tried again later and later.
 */
export async function followLabel(
  state: Latest<LabelState>,
  deps: FollowLabelDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, nodeName, label } = deps;
  const see = (labels: Labels): void => {
    const value = labels[label] || null;
    say('works');
    if (state.value.problem !== null || state.value.value !== value) state.set({ value, problem: null });
  };
  const say = onceEach((problem) => {
    if (problem === 'works') log.info({ node: nodeName, label }, "the node's label is followed");
    else log.warn({ node: nodeName, label }, `the node's label cannot be read, trying on: ${problem}`);
  });
  let failures = 0;
  try {
    while (!signal.aborted) {
      const startedMs = clock.now();
      const problem = await followOnce(see, deps, signal);
      if (problem !== null && !signal.aborted) {
        say(problem.message);
        if (state.value.problem !== problem.message) state.set({ ...state.value, problem: problem.message });
      }
      failures = problem === null ? 0 : failures + 1;
      const pauseMs = failures === 0 ? 0 : Math.max(backoffMs(backoff, failures), problem?.retryAfterMs ?? 0);
      await clock.sleep(Math.max(pauseMs, startedMs + paceMs - clock.now()), signal);
    }
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

/** Reads the labels and hears of their changes for as long as one watch lasts. */
async function followOnce(
  see: (labels: Labels) => void,
  { openApi }: FollowLabelDeps,
  signal: AbortSignal,
): Promise<ApiProblem | null> {
  let opened: OwnNodeApi;
  try {
    opened = await openApi();
  } catch (thrown) {
    return { kind: 'no-access', message: describeError(thrown), retryAfterMs: 0 };
  }
  await using api = opened;
  const read = await api.readLabels(signal);
  if (signal.aborted) return null;
  if (!read.ok) return read.problem;
  see(read.value.labels);
  return await api.watchLabels(read.value.version, see, signal);
}
