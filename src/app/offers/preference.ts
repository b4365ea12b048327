import type { PreferenceRules } from '../../allocation/preferred/preferred.ts';
import type { SharedDevicesPolicy } from '../../allocation/preferred/preferred-shares.ts';
import { scoreMatrix, type LinkedGpu } from '../../allocation/preferred/topology.ts';

/** Keeps the rules by which devices are chosen, and makes new ones only when the links or the policy are others. */
export class Preference {
  #from: string | null = null;
  #rules: PreferenceRules | null = null;

  of(gpus: readonly LinkedGpu[], policy: SharedDevicesPolicy): PreferenceRules {
    // As a text, because a comparison of all links value by value takes longer than anything else that is done with a reading.
    const from = JSON.stringify([policy, gpus.map(({ uuid, numaNode, links }) => [uuid, numaNode, links])]);
    if (this.#rules !== null && from === this.#from) return this.#rules;
    this.#from = from;
    this.#rules = { links: scoreMatrix(gpus), policy };
    return this.#rules;
  }
}
