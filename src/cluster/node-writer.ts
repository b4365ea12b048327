import { describeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { onceEach } from '../lib/once-each.ts';
import { changeAllocatable, countsOf, limitCounts, type Counts, type NodeAmounts } from './allocatable.ts';
import type { ApiAnswer, ApiProblem, ApiProblemKind, NodeStatusApi } from './node-api.ts';
import { openApi } from './open-api.ts';
import { findOtherMachine } from './other-machine.ts';

export interface NodeWriterDeps {
  readonly nodeName: string;
  /** Opens the way to the node's status; what it throws is said and tried again. */
  readonly openApi: () => Promise<NodeStatusApi>;
  /** Healthy devices by the kubelet's own account, held or not; `null` where it does not tell. */
  readonly askKubelet: (signal: AbortSignal) => Promise<Counts | null>;
  /** The boot id of this machine; `null` when it cannot be read. */
  readonly bootId: string | null;
  readonly log: Log;
  /** Hears of each write, and of what kept one from being made. */
  readonly observe: (result: WriteResult) => void;
}

/** What became of a wish to write. */
export type WriteResult = 'written' | ApiProblemKind;

/** `done`: the node's status says what it should; `early`: the kubelet has yet to take over a list. */
export type Turn =
  { readonly kind: 'done' | 'early' } | { readonly kind: 'failed'; readonly problem: ApiProblem };

/** Brings a node's status in line with the lists, once for each call, and says when that begins or ceases to work. */
export class NodeWriter implements AsyncDisposable {
  readonly #deps: NodeWriterDeps;
  readonly #say: (state: string) => void;
  readonly #sayKubelet: (text: string) => void;
  #api: NodeStatusApi | null = null;
  #problem = '';

  constructor(deps: NodeWriterDeps) {
    const { log, nodeName } = deps;
    this.#deps = deps;
    this.#say = onceEach((state) => {
      if (state === 'works')
        log.info({ node: nodeName }, "the node's allocatable is written ahead of the kubelet");
      else
        log.warn(
          { node: nodeName },
          `the node's allocatable is left to the kubelet, which is up to 10 s later: ${this.#problem}`,
        );
    });
    this.#sayKubelet = onceEach((text) => {
      if (text !== '') log.warn(`more devices are left for the kubelet to report: ${text}`);
    });
  }

  /** Never rejects. */
  async write(wanted: Counts, signal: AbortSignal): Promise<Turn> {
    const result = await this.#try(wanted, signal);
    if (signal.aborted) return { kind: 'done' };
    if (result.ok) {
      this.#say('works');
      return { kind: result.value };
    }
    const { problem } = result;
    this.#deps.observe(problem.kind);
    this.#problem = problem.message;
    this.#say(problem.kind);
    // Another address or another token may do next time.
    await this.#close();
    return { kind: 'failed', problem };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #try(wanted: Counts, signal: AbortSignal): Promise<ApiAnswer<'done' | 'early'>> {
    const { nodeName, bootId } = this.#deps;
    if (this.#api === null) {
      const opened = await openApi(this.#deps.openApi);
      if (!opened.ok) return opened;
      this.#api = opened.value;
    }
    const api = this.#api;
    const read = await api.read(signal);
    if (!read.ok) return read;
    const node = read.value;
    const stranger = findOtherMachine(`node ${nodeName}`, node, bootId);
    if (stranger !== null) return { ok: false, problem: stranger };
    const grows = changeAllocatable(wanted, node)?.grows === true;
    const { sure, turn } = grows
      ? await this.#agree(wanted, node, signal)
      : { sure: wanted, turn: 'done' as const };
    const change = changeAllocatable(sure, node);
    if (change === null || signal.aborted) return { ok: true, value: turn };
    const written = await api.write(change, signal);
    if (!written.ok) return written;
    this.#deps.observe('written');
    this.#deps.log.debug({ node: nodeName, allocatable: change.amounts }, 'allocatable written');
    return { ok: true, value: turn };
  }

  /** What both the lists and the kubelet have: a pod must not come for devices that the kubelet has not heard of. */
  async #agree(
    wanted: Counts,
    node: NodeAmounts,
    signal: AbortSignal,
  ): Promise<{ readonly sure: Counts; readonly turn: 'done' | 'early' }> {
    let kubelet: Counts | null = null;
    try {
      kubelet = await this.#deps.askKubelet(signal);
      this.#sayKubelet(kubelet === null ? 'it has no pod resources socket to be asked by' : '');
    } catch (thrown) {
      if (!signal.aborted) this.#sayKubelet(describeError(thrown));
    }
    if (kubelet === null) return { sure: limitCounts(wanted, countsOf(node)), turn: 'done' };
    const sure = limitCounts(wanted, kubelet);
    const early = [...wanted].some(([resource, count]) => (sure.get(resource) ?? 0) < count);
    return { sure, turn: early ? 'early' : 'done' };
  }

  async #close(): Promise<void> {
    const api = this.#api;
    this.#api = null;
    await api?.[Symbol.asyncDispose]();
  }
}
