import { changeShown, type MarkDeps } from './change-shown.ts';
import { changeTaints } from './health-taint.ts';
import type { TaintApi } from './node-api.ts';
import type { MarkResult, NodeMark } from './node-mark.ts';
import { OpenedApi } from './opened-api.ts';

/** Our taint of the node, or that it is not there. */
export class TaintMark implements NodeMark<boolean> {
  readonly name = 'taint slicewise.io/gpu-unhealthy';
  readonly #deps: MarkDeps<TaintApi>;
  readonly #api: OpenedApi<TaintApi>;

  constructor(deps: MarkDeps<TaintApi>) {
    this.#deps = deps;
    this.#api = new OpenedApi(deps.openApi);
  }

  async write(isTainted: boolean, signal: AbortSignal): Promise<MarkResult> {
    const first = await this.#try(isTainted, signal);
    // Nodes are changed all the time, so a conflict is nothing to wait for or to speak of.
    return !first.ok && first.problem.kind === 'conflict' ? this.#try(isTainted, signal) : first;
  }

  remove(signal: AbortSignal): Promise<MarkResult> {
    return this.write(false, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.close();
  }

  #try(isTainted: boolean, signal: AbortSignal): Promise<MarkResult> {
    return changeShown(this.#api, this.#deps, {
      read: async (api) => api.readTaints(signal),
      decide: ({ taints }) => {
        const changed = changeTaints(taints, isTainted);
        return changed === null ? null : { write: changed };
      },
      // The list is written whole, so somebody else's change in between makes it a conflict.
      write: async (api, taints, { version }) => api.writeTaints(taints, version, signal),
    });
  }
}
