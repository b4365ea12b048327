import { throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import { onceEach } from '../lib/once-each.ts';
import { backoffMs } from '../lib/retry.ts';
import { untilOrPause } from '../lib/until-or-pause.ts';
import type { NodeMark } from './node-mark.ts';

export interface KeepMarkDeps<T> {
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears what the node shows from now on. */
  readonly onWritten: (shown: T) => void;
  /** Hears of each attempt to write; not of a look that finds all as it is wanted. */
  readonly observe: (result: 'written' | 'failed') => void;
}

/** Faults of one machine come together and are one write. */
const debounceMs = 100;
/** Time from one turn to the next. */
const paceMs = 1000;
/** It may have been taken away, for example with the node's object. Spread, so that the nodes of a cluster do not ask together. */
const lookMs = { least: 240_000, most: 360_000 };
/** Looks in a row that found it changed by somebody else, after which it is left alone. */
const maxRewrites = 3;
const backoff = { firstMs: 500, maxMs: 60_000 };

/**
 * Keeps a node's mark as is wanted while something is. Ends with the signal and never fails: what goes wrong is said once, and tried again
 * later and later. Somebody else's opinion is not fought.
 */
export async function keepMark<T>(
  wanted: Latest<T | null>,
  mark: NodeMark<T>,
  deps: KeepMarkDeps<T>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await keepWriting(wanted, mark, deps, signal);
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

async function keepWriting<T>(
  wanted: Latest<T | null>,
  mark: NodeMark<T>,
  { nodeName, clock, log, onWritten, observe }: KeepMarkDeps<T>,
  signal: AbortSignal,
): Promise<void> {
  const say = sayer(mark.name, nodeName, log);
  let [failures, rewrites] = [0, 0];
  let last: T | null = null;
  for (;;) {
    await wanted.until((value) => value !== null, signal);
    await clock.sleep(debounceMs, signal);
    const value = wanted.value;
    if (value === null) continue;
    const isNew = value !== last;
    const startedMs = clock.now();
    const result = await mark.write(value, signal);
    throwIfAborted(signal);
    if (!result.ok) {
      failures += 1;
      observe('failed');
      say(result.problem.message);
      await clock.sleep(Math.max(backoffMs(backoff, failures), result.problem.retryAfterMs), signal);
      continue;
    }
    if (result.changed) observe('written');
    failures = 0;
    last = value;
    onWritten(value);
    rewrites = isNew || !result.changed ? 0 : rewrites + 1;
    const isContested = rewrites >= maxRewrites;
    say(isContested ? 'contested' : 'works');
    const pauseMs = isContested ? null : spread(lookMs);
    await untilOrPause(wanted, (now) => now !== value, pauseMs, clock, signal);
    await clock.sleep(Math.max(0, startedMs + paceMs - debounceMs - clock.now()), signal);
  }
}

/** Says what becomes of a mark, when that is another thing than before. */
function sayer(name: string, nodeName: string, log: Log): (state: string) => void {
  return onceEach((state) => {
    const node = { node: nodeName };
    if (state === 'works') log.info(node, `the node's ${name} is kept`);
    else if (state === 'contested')
      log.warn(
        node,
        `the node's ${name} is changed by somebody else again and again, and left alone until a GPU changes`,
      );
    else log.warn(node, `the node's ${name} is not written, trying on: ${state}`);
  });
}

function spread({ least, most }: { readonly least: number; readonly most: number }): number {
  return least + Math.random() * (most - least);
}
