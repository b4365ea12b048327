/** How long each mismatch has been there without a break. */
export class Patience {
  readonly #limitMs: number;
  readonly #sinceMs = new Map<string, number>();

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Takes the mismatches of this moment and answers with those that have stayed for too long. */
  judge(mismatches: readonly string[], nowMs: number): readonly string[] {
    for (const old of this.#sinceMs.keys()) if (!mismatches.includes(old)) this.#sinceMs.delete(old);
    for (const each of mismatches) if (!this.#sinceMs.has(each)) this.#sinceMs.set(each, nowMs);
    return mismatches.filter((each) => nowMs - (this.#sinceMs.get(each) ?? nowMs) > this.#limitMs);
  }
}
