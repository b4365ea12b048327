/**
 * GPUs that the helper must not touch for a while because it hung or crashed in them: one sick GPU must not keep the
 * others from being read. Indexes are the driver's.
 */
export class LeftAlone {
  readonly #pauses = new Map<number, Pause>();
  /** The GPU of the last crash, if nothing went well since. */
  #lastCrash: number | null = null;

  /**
   * A hang costs a deadline each time, so the GPU is left alone at once; a crash may be anyone's, so only the second in a
   * row with the same GPU counts. Each pause in a row is twice as long as the last.
   * @returns milliseconds for which the GPU is now left alone, or null
   */
  blame(index: number, kind: 'hang' | 'crash', reason: string, nowMs: number): number | null {
    const before = this.#pauses.get(index);
    const firstCrash = kind === 'crash' && this.#lastCrash !== index && before === undefined;
    if (kind === 'crash') this.#lastCrash = index;
    if (firstCrash) return null;
    const turns = before?.turns ?? 0;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** turns);
    this.#pauses.set(index, { turns: turns + 1, untilMs: nowMs + pauseMs, reason });
    return pauseMs;
  }

  /** The GPUs to leave alone now, with the reason. */
  at(nowMs: number): Readonly<Record<number, string>> {
    const current = [...this.#pauses].filter(([, pause]) => pause.untilMs > nowMs);
    return Object.fromEntries(current.map(([index, { reason }]) => [index, reason]));
  }

  /** A snapshot went well: what was touched in it is forgiven. */
  forgive(untouched: Readonly<Record<number, string>>): void {
    this.#lastCrash = null;
    for (const index of this.#pauses.keys()) if (!(index in untouched)) this.#pauses.delete(index);
  }
}

interface Pause {
  /** Pauses of this GPU in a row. */
  readonly turns: number;
  readonly untilMs: number;
  readonly reason: string;
}

const firstPauseMs = 5 * 60_000;
const longestPauseMs = 60 * 60_000;
