/**
 * GPUs that the helper must not touch for a while because it hung or crashed in them: one sick GPU must not keep the
 * others from being read. Indexes are the driver's.
 */
export class LeftAlone {
  readonly #records = new Map<number, Trouble>();

  /**
   * A hang costs a deadline each time, so the GPU is left alone at once; a crash may be anyone's, so only the second in a
   * row with the same GPU counts.
   * @returns milliseconds for which the GPU is now left alone, or null
   */
  blame(index: number, kind: 'hang' | 'crash', reason: string, nowMs: number): number | null {
    const { crashes, turns } = this.#records.get(index) ?? { crashes: 0, turns: 0 };
    if (kind === 'crash' && crashes === 0 && turns === 0) {
      this.#records.clear();
      this.#records.set(index, { crashes: 1, turns: 0, untilMs: nowMs, reason });
      return null;
    }
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** turns);
    this.#records.set(index, { crashes, turns: turns + 1, untilMs: nowMs + pauseMs, reason });
    return pauseMs;
  }

  /** The GPUs to leave alone now, with the reason. */
  at(nowMs: number): Readonly<Record<number, string>> {
    const current = [...this.#records].filter(([, trouble]) => trouble.untilMs > nowMs);
    return Object.fromEntries(current.map(([index, { reason }]) => [index, reason]));
  }

  /** A snapshot went well: what was touched in it is forgiven. */
  forgive(untouched: Readonly<Record<number, string>>): void {
    for (const index of this.#records.keys()) if (!(index in untouched)) this.#records.delete(index);
  }
}

interface Trouble {
  /** Crashes that have not led to a pause yet. */
  readonly crashes: number;
  /** Pauses so far. */
  readonly turns: number;
  readonly untilMs: number;
  readonly reason: string;
}

const firstPauseMs = 5 * 60_000;
const longestPauseMs = 60 * 60_000;
