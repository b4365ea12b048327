import { isDeepStrictEqual } from 'node:util';
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

/** A watch that ends sooner is as good as none: what it lacks is not tried ever more. */
const shortMs = 5000;
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
  // Whoever may list and not watch reads the label all the same, only late: that is one problem, not two states by turns.
  let mayWatch = true;
  const see = (labels: Labels): void => {
    if (mayWatch) say('works');
    const next = { value: labels[label] || null, problem: mayWatch ? null : state.value.problem };
    if (!isDeepStrictEqual(next, state.value)) state.set(next);
  };
  const say = onceEach((problem) => {
    if (problem === 'works') log.info({ node: nodeName, label }, "the node's label is followed");
    else log.warn({ node: nodeName, label }, `the node's label cannot be read, trying on: ${problem}`);
  });
  let failures = 0;
  try {
    while (!signal.aborted) {
      const startedMs = clock.now();
      const { problem, from } = await followOnce(see, deps, signal);
      if (signal.aborted) return;
      if (from === 'watch') mayWatch = problem?.kind !== 'refused';
      if (problem !== null) {
        say(problem.message);
        if (state.value.problem !== problem.message) state.set({ ...state.value, problem: problem.message });
      }
      failures = problem === null && clock.now() - startedMs >= shortMs ? 0 : failures + 1;
      if (failures === 0) continue;
      await clock.sleep(Math.max(backoffMs(backoff, failures), problem?.retryAfterMs ?? 0), signal);
    }
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

interface Followed {
  readonly problem: ApiProblem | null;
  /** How far it came. */
  readonly from: 'list' | 'watch';
}

/** Reads the labels and hears of their changes for as long as one watch lasts. */
async function followOnce(
  see: (labels: Labels) => void,
  { openApi }: FollowLabelDeps,
  signal: AbortSignal,
): Promise<Followed> {
  let opened: OwnNodeApi;
  try {
    opened = await openApi();
  } catch (thrown) {
    const problem = { kind: 'no-access', message: describeError(thrown), retryAfterMs: 0 } as const;
    return { from: 'list', problem };
  }
  await using api = opened;
  const read = await api.readLabels(signal);
  if (!read.ok) return { from: 'list', problem: read.problem };
  if (signal.aborted) return { from: 'list', problem: null };
  see(read.value.labels);
  // Awaited here, because the connections are let go at the end of this scope.
  return { from: 'watch', problem: await api.watchLabels(read.value.version, see, signal) };
}
