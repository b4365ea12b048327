import { throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import { backoffMs } from '../lib/retry.ts';
import { untilOrPause } from '../lib/until-or-pause.ts';
import type { Counts } from './allocatable.ts';
import { NodeWriter, type NodeWriterDeps } from './node-writer.ts';

export interface KeepAllocatableDeps extends NodeWriterDeps {
  readonly clock: Clock;
}

/** Changes of several lists come at one stroke and are one write. */
const debounceMs = 20;
/** Time from one turn to the next: five a second at most. */
const paceMs = 200;
/** How often it is tried again while the kubelet has yet to take over a list, which takes it milliseconds. */
const earlyTries = 15;
/**
 * Pauses between the looks at the node's status that follow a change: what the kubelet was just sending may be older. It sends every
 * 10 s, so after the last look nothing more can come of that, and a kubelet that has another opinion is not fought.
 */
const lookPausesMs = [1000, 3000, 8000];
const backoff = { firstMs: 500, maxMs: 60_000 };

/**
 * Writes into the node's `status.allocatable` what the kubelet is about to report, whenever that changes. Ends with the signal and never
 * fails: what goes wrong is said once, and tried again later and later.
 * @param counts healthy devices in the lists that the kubelet has; empty while there are none or another agent serves
 */
export async function keepAllocatable(
  counts: Latest<Counts>,
  deps: KeepAllocatableDeps,
  signal: AbortSignal,
): Promise<void> {
  await using writer = new NodeWriter(deps);
  try {
    await keepWriting(counts, writer, deps.clock, signal);
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

async function keepWriting(
  counts: Latest<Counts>,
  writer: NodeWriter,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let [failures, early] = [0, 0];
  let looks: readonly number[] = [];
  let last: Counts | null = null;
  for (;;) {
    if (counts.value.size === 0) {
      await counts.until(({ size }) => size > 0, signal);
      await clock.sleep(debounceMs, signal);
      continue;
    }
    const wanted = counts.value;
    if (wanted !== last) [early, looks] = [0, lookPausesMs];
    last = wanted;
    const startedMs = clock.now();
    const turn = await writer.write(wanted, signal);
    throwIfAborted(signal);
    if (turn.kind === 'failed') {
      failures += 1;
      await clock.sleep(Math.max(backoffMs(backoff, failures), turn.problem.retryAfterMs), signal);
      continue;
    }
    failures = 0;
    early += Number(turn.kind === 'early');
    const soon = turn.kind === 'early' && early <= earlyTries;
    if (!soon) {
      await untilOrPause(counts, (value) => value !== wanted, looks[0] ?? null, clock, signal);
      looks = looks.slice(1);
    }
    await clock.sleep(Math.max(debounceMs, startedMs + paceMs - clock.now()), signal);
  }
}
