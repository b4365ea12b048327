import type { Log } from '../lib/log.ts';
import { onceEach } from '../lib/once-each.ts';
import type { LabelSink, SinkResult } from './label-sink.ts';
import type { ApiAnswer, ApiProblem, NodeLabelApi, NodeIdentity } from './node-api.ts';
import { openApi } from './open-api.ts';
import { findOtherMachine } from './other-machine.ts';

export interface LabelWriterDeps {
  readonly nodeName: string;
  /** Opens the way to the node; what it throws is told. */
  readonly openApi: () => Promise<NodeLabelApi>;
  /** The boot id of this machine; `null` when it cannot be read. */
  readonly bootId: string | null;
  readonly log: Log;
}

/** How often it is tried again to have labels that are somebody else's. */
const askAgainMs = 600_000;
const managed = '.metadata.labels.';

/** A node's labels at the API server, by server-side apply: labels that another field manager has set otherwise stay as they are. */
export class LabelWriter implements LabelSink {
  readonly #deps: LabelWriterDeps;
  readonly #sayOthers: (text: string) => void;
  #open: { readonly api: NodeLabelApi; readonly node: NodeIdentity } | null = null;

  constructor(deps: LabelWriterDeps) {
    this.#deps = deps;
    this.#sayOthers = onceEach((names) => {
      if (names !== '')
        deps.log.warn(
          { node: deps.nodeName },
          `these labels are somebody else's and stay as they are: ${names}. If that is GPU Feature Discovery, remove it`,
        );
    });
  }

  async write(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<SinkResult> {
    const { deps, others, answer } = { deps: this.#deps, ...(await this.#applyOwn(labels, signal)) };
    if (!answer.ok) {
      // Another address, another token or another node of that name may do next time.
      await this.#close();
      const { message, retryAfterMs } = answer.problem;
      return { ok: false, problem: `node ${deps.nodeName} is not labelled: ${message}`, retryAfterMs };
    }
    this.#sayOthers(others.join(', '));
    return { ok: true, againMs: others.length === 0 ? null : askAgainMs };
  }

  remove(signal: AbortSignal): Promise<SinkResult> {
    return this.write({}, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  /** Once more without the labels that others have, if there are any. */
  async #applyOwn(
    labels: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ readonly others: readonly string[]; readonly answer: ApiAnswer<unknown> }> {
    const first = await this.#apply(labels, signal);
    if (first.ok) return { others: [], answer: first };
    const fields = first.problem.fields ?? [];
    const others = Object.keys(labels).filter((name) => fields.includes(`${managed}${name}`));
    if (others.length === 0) return { others, answer: first };
    const own = Object.entries(labels).filter(([name]) => !others.includes(name));
    return { others, answer: await this.#apply(Object.fromEntries(own), signal) };
  }

  async #apply(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ApiAnswer<unknown>> {
    const opened = await this.#find(signal);
    if (!opened.ok) return opened;
    const { api, node } = opened.value;
    return api.applyLabels(labels, node.uid, signal);
  }

  /** The node is read once: applying to one that is not there would make it. */
  async #find(
    signal: AbortSignal,
  ): Promise<ApiAnswer<{ readonly api: NodeLabelApi; readonly node: NodeIdentity }>> {
    if (this.#open !== null) return { ok: true, value: this.#open };
    const opened = await openApi(this.#deps.openApi);
    if (!opened.ok) return opened;
    const api = opened.value;
    const read = await api.identify(signal);
    const problem = read.ok ? findOtherMachine('it', read.value, this.#deps.bootId) : read.problem;
    if (!read.ok || problem !== null) {
      await api[Symbol.asyncDispose]();
      return failed(problem ?? { kind: 'failed', message: 'no answer', retryAfterMs: 0 });
    }
    this.#open = { api, node: read.value };
    return { ok: true, value: this.#open };
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.api[Symbol.asyncDispose]();
  }
}

function failed(problem: ApiProblem): ApiAnswer<never> {
  return { ok: false, problem };
}
