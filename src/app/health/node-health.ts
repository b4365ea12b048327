import type { HealthFact, HealthRules } from '../../health/facts.ts';
import { nextVerdicts } from '../../health/next-verdicts.ts';
import { noVerdicts, type Verdicts } from '../../health/verdict.ts';
import { Latest } from '../../lib/latest.ts';

/** What is held against the node's GPUs, and the only place where a fact changes it. */
export class NodeHealth {
  readonly #verdicts = new Latest<Verdicts>(noVerdicts);
  readonly #rules: () => HealthRules;
  readonly #wallNow: () => number;

  /**
   * @param rules what the config says, as it is now
   * @param wallNow milliseconds since 1970: what is held against a GPU outlives the agent's own clock
   */
  constructor(rules: () => HealthRules, wallNow: () => number = () => Date.now()) {
    this.#rules = rules;
    this.#wallNow = wallNow;
  }

  get verdicts(): Latest<Verdicts> {
    return this.#verdicts;
  }

  wallNow(): number {
    return this.#wallNow();
  }

  get rules(): HealthRules {
    return this.#rules();
  }

  /** Takes a fact; those who wait are woken only when something has changed by it. */
  learn(fact: HealthFact): void {
    const next = nextVerdicts(this.#verdicts.value, fact, { now: this.#wallNow(), rules: this.#rules() });
    if (next !== this.#verdicts.value) this.#verdicts.set(next);
  }
}
