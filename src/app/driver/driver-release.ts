import { describeError } from '../../lib/errors.ts';
import { msToStep } from '../../lib/in-step.ts';
import { Latest } from '../../lib/latest.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { warnOnceEach } from '../../lib/once-each.ts';
import { readDriverRelease } from '../../state/driver-release.ts';

const lookEveryMs = 1000;

/** That an admin wants the driver left alone, and whether it is. */
export interface DriverRelease {
  /** Wall time, milliseconds since 1970; `null`: nobody wants it. */
  readonly until: Latest<number | null>;
  /** Whether the driver is closed because of it. */
  readonly isClosed: Latest<boolean>;
}

export function noDriverRelease(): DriverRelease {
  return { until: new Latest<number | null>(null), isClosed: new Latest(false) };
}

/** Looks for an admin's word, whether this agent serves or stands by: both hold the driver. Ends with the signal. */
export async function heedDriverRelease(
  { until }: DriverRelease,
  stateDir: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
  wallNow: () => number = () => Date.now(),
): Promise<void> {
  const say = warnOnceEach(log);
  while (!signal.aborted) {
    const wanted = await readDriverRelease(stateDir, wallNow()).then(
      (found) => {
        say('');
        return found;
      },
      (thrown: unknown) => {
        say(`whether the driver is to be left alone cannot be read: ${describeError(thrown)}`);
        return null;
      },
    );
    if (wanted !== until.value) until.set(wanted);
    await clock.sleep(msToStep(clock, lookEveryMs), signal).catch(() => undefined);
  }
}

/**
 * Uses a driver until the signal aborts, but while an admin wants it left alone.
 * @param use opens the driver, uses it until its signal aborts, and closes it
 */
export async function useUnlessReleased(
  release: DriverRelease,
  use: (signal: AbortSignal) => Promise<void>,
  { log, onClosed }: { readonly log: Log; readonly onClosed: (until: number) => void },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await release.until.until((until) => until === null, signal);
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const wanted = release.until
      .until((until) => until !== null, stop)
      .then(
        () => over.abort(),
        () => undefined,
      );
    await use(stop).finally(() => over.abort());
    await wanted;
    const until = release.until.value;
    if (signal.aborted || until === null) continue;
    log.info({ until: new Date(until).toISOString() }, 'the driver is closed, as an admin wants it');
    release.isClosed.set(true);
    onClosed(until);
    await release.until.until((value) => value === null, signal).finally(() => release.isClosed.set(false));
    log.info('the driver is used again');
  }
}
