import { isDeepStrictEqual } from 'node:util';
import type { Snapshot, UnreadableGpu } from '../../inventory/gpu.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../metrics/collect.ts';
import type { Remarks } from '../../resources/remark.ts';
import type { InventoryState } from '../driver/inventory-loop.ts';

/** Says of each plan what is new in it, once, and keeps the figures of the node. */
export class PlanReport {
  readonly #log: Log;
  readonly #metrics: Pick<Metrics, 'gpus' | 'degradations'>;
  #unreadable: readonly UnreadableGpu[] = [];
  #said: ReadonlySet<string> = new Set();

  constructor(log: Log, metrics: Pick<Metrics, 'gpus' | 'degradations'>) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** How many GPUs can be read, and which cannot even be named. */
  inventory({ noDriver, reading }: InventoryState, { gpus, unreadable }: Snapshot): void {
    const failed = gpus.filter((gpu) => gpu.error !== null).length + unreadable.length;
    const readable = gpus.length + unreadable.length - failed;
    this.#metrics.gpus(noDriver ? { readable: 0, failed: 0 } : { readable, failed });
    const nameless = reading?.snapshot.unreadable ?? [];
    if (isDeepStrictEqual(nameless, this.#unreadable)) return;
    this.#unreadable = nameless;
    if (nameless.length === 0) this.#log.info('every GPU that the driver counts can be read');
    else
      this.#log.warn(
        { gpus: nameless },
        'GPUs are counted by the driver and cannot be read: they are not offered',
      );
  }

  /** What the node cannot offer as asked, and what of the config means nothing here. */
  plan({ degradations, notices }: Remarks): void {
    this.#metrics.degradations(degradations.map(({ kind }) => kind));
    const news = (text: string): boolean => !this.#said.has(text);
    for (const { kind, message } of degradations) if (news(message)) this.#log.warn({ kind }, message);
    for (const notice of notices) if (news(notice)) this.#log.info(notice);
    const now = new Set([...degradations.map(({ message }) => message), ...notices]);
    if (degradations.length === 0 && this.#said.size > 0 && now.size === 0)
      this.#log.info('everything on this node is offered as the config asks');
    this.#said = now;
  }
}
