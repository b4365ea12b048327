import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import type { HostProcess } from './host-process.ts';
import type { HostStep } from './protocol.ts';

/** The request that the helper is at. */
export interface PendingCall {
  step: HostStep;
  limitMs: number;
  /** When the step is overdue, by the clock. */
  dueMs: number;
  readonly fail: (reason: unknown) => void;
}

/** Resolves with true when a step is overdue, with false when the signal tells of the answer; every step moves the moment. */
export async function isOverdue(call: PendingCall, clock: Clock, answered: AbortSignal): Promise<boolean> {
  try {
    while (clock.now() < call.dueMs) await clock.sleep(call.dueMs - clock.now(), answered);
    return true;
  } catch (thrown) {
    if (isAbort(thrown)) return false;
    throw thrown;
  }
}

/** Whether the process is gone within so many milliseconds; false too when the signal aborts before. */
export async function endedWithin(
  host: HostProcess,
  ms: number,
  clock: Clock,
  stop: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const timeout = clock.sleep(ms, AbortSignal.any([over.signal, stop])).then(
    () => false,
    () => false,
  );
  const gone = await Promise.race([host.ended.then(() => true), timeout]);
  over.abort();
  return gone;
}
