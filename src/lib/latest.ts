/**
 * Holds the newest value of something and wakes any number of readers when it changes. No reader can eat
 * another's update; a slow reader misses intermediate values and sees only the newest.
 */
export class Latest<T> {
  #value: T;
  #version = 0;
  readonly #sleepers = new Set<() => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  /** Publishes a value; every waiting reader is woken. */
  set(value: T): void {
    this.#value = value;
    this.#version += 1;
    const woken = [...this.#sleepers];
    this.#sleepers.clear();
    for (const wake of woken) wake();
  }

  /** The current value at once, then each newest value, until the signal aborts (which ends the loop quietly). */
  async *values(signal: AbortSignal): AsyncGenerator<T, void, void> {
    let seen = -1;
    while (!signal.aborted) {
      if (seen === this.#version) await this.#change(signal);
      else {
        seen = this.#version;
        yield this.#value;
      }
    }
  }

  /** Calls back with the current value at once, then with each newest value, until the signal aborts. */
  async each(see: (value: T) => void, signal: AbortSignal): Promise<void> {
    for await (const value of this.values(signal)) see(value);
  }

  /** Resolves with the first value, the current one included, that the test accepts; rejects on abort. */
  async until(accepts: (value: T) => boolean, signal: AbortSignal): Promise<T> {
    for await (const value of this.values(signal)) if (accepts(value)) return value;
    throw new DOMException('The wait was aborted', 'AbortError');
  }

  /** Resolves at the next `set` or when the signal aborts; leaves nothing behind on either. */
  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      this.#sleepers.delete(wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    this.#sleepers.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    return promise;
  }
}
