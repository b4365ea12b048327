/** What can make an admission fail by right. */
export type Disturbance = 'agent' | 'kubelet' | 'gpu' | 'forced deletion';

/** When the node was disturbed, and by what. Times are milliseconds of any one clock. */
export class Disturbances {
  readonly #afterglowMs: number;
  readonly #all: { readonly kind: Disturbance; readonly fromMs: number; untilMs: number }[] = [];

  /** @param afterglowMs how long the effects stay: the node's status and the scheduler learn of a change later */
  constructor(afterglowMs: number) {
    this.#afterglowMs = afterglowMs;
  }

  /** Notes a beginning; the answer notes the end. */
  begin(kind: Disturbance, nowMs: number): (endMs: number) => void {
    const noted = { kind, fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
    this.#all.push(noted);
    return (endMs) => {
      noted.untilMs = endMs;
    };
  }

  /** Those that can have had effects in a span of time. */
  between(fromMs: number, toMs: number): ReadonlySet<Disturbance> {
    return this.#find(fromMs - this.#afterglowMs, toMs);
  }

  /** Whether there was none in a span of time. */
  isCalm(fromMs: number, toMs: number): boolean {
    return this.#find(fromMs, toMs).size === 0;
  }

  #find(fromMs: number, toMs: number): ReadonlySet<Disturbance> {
    const there = this.#all.filter((each) => each.fromMs <= toMs && each.untilMs >= fromMs);
    return new Set(there.map(({ kind }) => kind));
  }
}
