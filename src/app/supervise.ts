import { isAbort } from '../lib/errors.ts';

/** A long task: runs until the signal aborts, or fails. */
export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs tasks side by side until all have ended. When the first one ends or fails, the others are told to stop; its error is
 * thrown after they have.
 */
export async function runTogether(tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const outcomes = await Promise.allSettled(
    tasks.map(async (task) => {
      try {
        await task(until);
      } finally {
        scope.abort();
      }
    }),
  );
  const failure = outcomes.find((outcome) => outcome.status === 'rejected' && !isAbort(outcome.reason));
  if (failure?.status === 'rejected') throw failure.reason;
}
