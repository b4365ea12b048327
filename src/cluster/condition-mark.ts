import { changeShown, type MarkDeps } from './change-shown.ts';
import type { HealthCondition } from './health-condition.ts';
import type { ConditionApi, ConditionSeen } from './node-api.ts';
import type { MarkResult, NodeMark } from './node-mark.ts';
import { OpenedApi } from './opened-api.ts';

/** Our condition in the node's status. */
export class ConditionMark implements NodeMark<HealthCondition> {
  readonly name = 'condition GPUUnhealthy';
  readonly #deps: MarkDeps<ConditionApi>;
  readonly #api: OpenedApi<ConditionApi>;

  constructor(deps: MarkDeps<ConditionApi>) {
    this.#deps = deps;
    this.#api = new OpenedApi(deps.openApi);
  }

  write(wanted: HealthCondition, signal: AbortSignal): Promise<MarkResult> {
    return this.#change(
      (seen) => (isSame(seen, wanted) ? null : { write: withTransition(seen, wanted) }),
      signal,
    );
  }

  remove(signal: AbortSignal): Promise<MarkResult> {
    return this.#change((seen) => (seen === null ? null : { write: null }), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.close();
  }

  #change(
    decide: (seen: ConditionSeen | null) => { readonly write: ConditionSeen | null } | null,
    signal: AbortSignal,
  ): Promise<MarkResult> {
    return changeShown(this.#api, this.#deps, {
      read: async (api) => api.readCondition(signal),
      decide: ({ condition }) => decide(condition),
      write: async (api, condition) => api.writeCondition(condition, signal),
    });
  }
}

function isSame(seen: ConditionSeen | null, wanted: HealthCondition): boolean {
  return seen?.status === wanted.status && seen.reason === wanted.reason && seen.message === wanted.message;
}

/** A condition that says the same as before in other words has not changed over, whichever agent wrote it. */
function withTransition(seen: ConditionSeen | null, wanted: HealthCondition): ConditionSeen {
  const since = seen?.status === wanted.status ? seen.lastTransitionTime : null;
  return { ...wanted, lastTransitionTime: since };
}
