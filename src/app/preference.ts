import { isDeepStrictEqual } from 'node:util';
import type { PreferenceRules } from '../allocation/preferred.ts';
import type { SharedDevicesPolicy } from '../allocation/preferred-shares.ts';
import { scoreMatrix, type LinkedGpu } from '../allocation/topology.ts';

/** Keeps the rules by which devices are chosen, and makes new ones only when the links or the policy are others. */
export class Preference {
  #from: unknown = null;
  #rules: PreferenceRules | null = null;

  of(gpus: readonly LinkedGpu[], policy: SharedDevicesPolicy): PreferenceRules {
    const from = { policy, gpus: gpus.map(({ uuid, numaNode, links }) => ({ uuid, numaNode, links })) };
    if (this.#rules !== null && isDeepStrictEqual(from, this.#from)) return this.#rules;
    this.#from = from;
    this.#rules = { links: scoreMatrix(from.gpus), policy };
    return this.#rules;
  }
}
