import type { Calls as CallsNow } from '../../allocation/holdings/due.ts';
import type { Clock } from '../../lib/clock.ts';

/**
 * The calls of the kubelet that are open or were answered a moment ago, over all resources. Meanwhile its pod resources must not be
 * listed.
 */
export class Calls {
  readonly #clock: Clock;
  #open = 0;
  #lastAnsweredMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get now(): CallsNow {
    return { open: this.#open, lastAnsweredMs: this.#lastAnsweredMs };
  }

  /** Notes a call that was answered without delay. */
  answered(): void {
    this.#lastAnsweredMs = this.#clock.now();
  }

  /** Counts a call as open until its answer is there. */
  during<T>(answer: () => T | Promise<T>): T | Promise<T> {
    this.#open += 1;
    let result: T | Promise<T>;
    try {
      result = answer();
    } catch (thrown) {
      this.#end();
      throw thrown;
    }
    if (result instanceof Promise) return result.finally(() => this.#end());
    this.#end();
    return result;
  }

  #end(): void {
    this.#open -= 1;
    this.answered();
  }
}
