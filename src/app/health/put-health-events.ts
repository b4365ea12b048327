import type { EventQueue } from '../../cluster/event-queue.ts';
import type { GpuHealth } from '../../cluster/gpu-health.ts';
import {
  type GpuHolder,
  type GpuNews,
  healthNews,
  nodeEvent,
  noteEveryMs,
  podEvents,
} from '../../cluster/health-news.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { warnOnceEach } from '../../lib/once-each.ts';
import { findHolders, type FindHoldersDeps } from './find-holders.ts';
import type { Node } from '../node.ts';

export interface PutHealthEventsDeps extends FindHoldersDeps {
  readonly log: Log;
}

/** The kubelet answers a hundred questions a second, of all who ask it together. */
const paceMs = 1000;

/** Puts an Event of the node, and of each pod that is concerned, into the queue for whatever changes about GPUs. Ends with the signal. */
export async function putHealthEvents(
  gpus: Latest<readonly GpuHealth[]>,
  queue: EventQueue,
  node: Pick<Node, 'books'>,
  deps: PutHealthEventsDeps,
  signal: AbortSignal,
): Promise<void> {
  const warn = warnOnceEach(deps.log);
  const patience = new Patience(deps.clock);
  let told: readonly GpuHealth[] | null = null;
  for await (const now of gpus.values(signal)) {
    // No GPU is known before the first reading, and while another agent serves.
    if (now.length === 0) {
      told = null;
      continue;
    }
    const news = healthNews(told, now).filter((each) => patience.lets(each));
    told = now;
    if (news.length === 0) continue;
    for (const each of news) queue.put(nodeEvent(each));
    let holders: readonly GpuHolder[] = [];
    try {
      holders = await findHolders(node, deps, signal);
      warn('');
    } catch (thrown) {
      if (signal.aborted) return;
      warn(`the pods on these GPUs are not told: ${describeError(thrown)}`);
    }
    for (const each of news) for (const event of podEvents(each, holders)) queue.put(event);
    await deps.clock.sleep(paceMs, signal).catch(() => undefined);
  }
}

/** Keeps what programs bring about, which may be a hundred times a second, from asking the kubelet for each. */
class Patience {
  readonly #clock: Clock;
  readonly #toldMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  lets({ gpu, kind, key }: GpuNews): boolean {
    if (kind === 'unhealthy' || kind === 'healthy') return true;
    const [nowMs, name] = [this.#clock.now(), `${gpu.uuid} ${key}`];
    for (const [each, toldMs] of this.#toldMs) if (nowMs - toldMs >= noteEveryMs) this.#toldMs.delete(each);
    if (this.#toldMs.has(name)) return false;
    this.#toldMs.set(name, nowMs);
    return true;
  }
}
