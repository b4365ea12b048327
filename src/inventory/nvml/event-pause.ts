/** When events may be followed again after calls for them did not come back: each of these costs a helper process. */
export class EventPause {
  #turns = 0;
  #untilMs = -Infinity;
  #reason = '';

  /** A call hung: events are left alone for a while, twice as long each time in a row. */
  blame(reason: string, nowMs: number): void {
    this.#turns = nowMs - this.#untilMs > longestPauseMs ? 1 : this.#turns + 1;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#turns - 1));
    this.#untilMs = nowMs + pauseMs;
    this.#reason = `${reason}, so events are not followed for ${Math.round(pauseMs / 60_000)} min`;
  }

  /** Why events must not be followed now, or null. */
  reasonAt(nowMs: number): string | null {
    return nowMs < this.#untilMs ? this.#reason : null;
  }
}

const firstPauseMs = 5 * 60_000;
const longestPauseMs = 60 * 60_000;
