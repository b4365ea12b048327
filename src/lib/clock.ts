import { setTimeout as delay } from 'node:timers/promises';

/** Time as the program sees it; tests put a clock of their own in its place. */
export interface Clock {
  /** Milliseconds that only ever grow; says nothing about the time of day. */
  now(): number;
  /** Resolves after `ms`; rejects with an `AbortError` when the signal aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  },
};
