/** Faults that a test or a story switches on while the kubelet runs; none is on at first. */
export class KubeletFaults {
  /** Delay before the kubelet dials the plugin back, in milliseconds of the clock. */
  dialBackDelayMs: number = 0;
  /** With `never`, a Register call stays open for ever and nothing is dialled. */
  answerRegister: 'normally' | 'never' = 'normally';
  /**
   * Delays of the next checkpoint writes, first in first out (0: none): a write holds its content and waits, and later
   * ones overtake it, as can happen in the real kubelet, which takes the content under its lock and writes outside it.
   */
  readonly checkpointDelaysMs: number[] = [];
  #refusal = { count: 0, text: '' };

  /** The next `count` Register calls end with the error text. */
  refuseRegistrations(count: number, text: string): void {
    this.#refusal = { count, text };
  }

  /** The text to refuse this Register call with, or null; uses up one refusal. */
  takeRefusal(): string | null {
    if (this.#refusal.count <= 0) return null;
    this.#refusal.count -= 1;
    return this.#refusal.text;
  }
}
