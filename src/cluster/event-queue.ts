import { Latest } from '../lib/latest.ts';
import type { ClusterEvent } from './node-api.ts';

/** An Event with what it is about, so that of one matter only the newest waits. */
export interface Told extends ClusterEvent {
  /** Names the matter, for example one GPU: a newer Event of it takes the place of one that waits. */
  readonly topic: string;
  /** Least time between two writings about the matter; 10 s when it is not given. */
  readonly everyMs?: number;
}

/** An Event that is waiting to be written. */
export interface Waiting {
  readonly event: Told;
  /** How often it was tried. */
  readonly tries: number;
  readonly notBeforeMs: number;
}

/** What is to be done now: write an Event, or wait so long for the next (`null`: until there is one). */
type Due =
  | { readonly kind: 'event'; readonly waiting: Waiting }
  | { readonly kind: 'wait'; readonly forMs: number | null };

/** How many Events wait at most. */
const capacity = 128;
/** What is wrong and good again by turns every second is told of by its newest state. */
const everyMsDefault = 10_000;

/** Events that are to be written, in the order in which they came: bounded, one for each matter. */
export class EventQueue {
  /** Counts what was put in, to be waited for. */
  readonly changes = new Latest(0);
  readonly #waiting = new Map<string, Waiting>();
  readonly #freeAtMs = new Map<string, number>();
  #dropped = 0;

  put(event: Told): void {
    const before = this.#waiting.get(event.topic);
    // The newest takes the place in the order, but not the patience that its matter asks for.
    this.#waiting.set(event.topic, { event, tries: 0, notBeforeMs: before?.notBeforeMs ?? 0 });
    if (this.#waiting.size > capacity) this.#drop();
    this.changes.set(this.changes.value + 1);
  }

  /** Takes out what is to be written next. */
  take(nowMs: number): Due {
    for (const [topic, freeAtMs] of this.#freeAtMs) if (freeAtMs <= nowMs) this.#freeAtMs.delete(topic);
    let soonestMs: number | null = null;
    for (const [topic, waiting] of this.#waiting) {
      const atMs = Math.max(waiting.notBeforeMs, this.#freeAtMs.get(topic) ?? 0);
      if (atMs <= nowMs) {
        this.#waiting.delete(topic);
        return { kind: 'event', waiting };
      }
      soonestMs = Math.min(soonestMs ?? Infinity, atMs);
    }
    return { kind: 'wait', forMs: soonestMs === null ? null : soonestMs - nowMs };
  }

  /** It was written. */
  written({ event: { topic, everyMs = everyMsDefault } }: Waiting, nowMs: number): void {
    this.#freeAtMs.set(topic, nowMs + everyMs);
  }

  /** It could not be written: it waits on, unless there is news of its matter by now. */
  putBack(waiting: Waiting, notBeforeMs: number): void {
    const { topic } = waiting.event;
    const newer = this.#waiting.get(topic);
    this.#waiting.set(topic, { ...(newer ?? { ...waiting, tries: waiting.tries + 1 }), notBeforeMs });
    if (this.#waiting.size > capacity) this.#drop();
  }

  /** How many were dropped since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** The oldest of a pod, or the oldest. */
  #drop(): void {
    const topics = [...this.#waiting];
    const [topic] = topics.find(([, { event }]) => event.about.kind === 'pod') ?? topics[0] ?? [];
    if (topic !== undefined) this.#waiting.delete(topic);
    this.#dropped += 1;
  }
}
