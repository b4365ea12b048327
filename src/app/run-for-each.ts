import { isDeepStrictEqual } from 'node:util';
import { isAbort } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';

/**
 * Runs a task for a part of a value that changes: the task is told to stop, and is run anew, only when its own part is another
 * one. Ends when the signal aborts.
 * @param run runs until its signal aborts
 */
export async function runForEach<Whole, Part>(
  source: Latest<Whole>,
  pick: (whole: Whole) => Part,
  run: (part: Part, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const part = pick(source.value);
    const scope = new AbortController();
    const until = AbortSignal.any([signal, scope.signal]);
    void source
      .until((whole) => !isDeepStrictEqual(pick(whole), part), until)
      .then(() => scope.abort())
      .catch(() => undefined);
    try {
      await run(part, until);
    } catch (thrown) {
      if (!until.aborted || !isAbort(thrown)) throw thrown;
    }
    const stopped = until.aborted;
    scope.abort();
    if (!stopped) throw new Error('A task that should run until it is stopped has ended by itself');
  }
}
