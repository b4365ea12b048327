import type { PluginOptions } from '../../kubelet/contract.ts';
import type { Log } from '../../lib/log.ts';
import type { PodPhase } from './pod.ts';

/** Where a call about one container came from. */
export interface ContainerCall {
  readonly pod: string;
  readonly container: string;
  readonly resource: string;
  /** The ids in the order of the call (Allocate, PreStartContainer) or of the answer (GetPreferredAllocation). */
  readonly ids: readonly string[];
  readonly durationMs: number;
  /** Empty when the call went well. */
  readonly error: string;
}

/** What can happen at a kubelet; `endpoint` is the file name of the plugin's socket. */
export type KubeletHappening =
  | { readonly kind: 'started' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'crashed'; readonly reason: string }
  | {
      readonly kind: 'registering';
      readonly resource: string;
      readonly endpoint: string;
      readonly version: string;
    }
  | {
      readonly kind: 'registered';
      readonly resource: string;
      readonly endpoint: string;
      /** What GetDevicePluginOptions answered. */
      readonly options: PluginOptions;
      /** True when another client of this resource was still connected. */
      readonly replacesLive: boolean;
    }
  | {
      readonly kind: 'registration-refused';
      readonly resource: string;
      readonly endpoint: string;
      readonly error: string;
    }
  | {
      readonly kind: 'list';
      readonly resource: string;
      readonly endpoint: string;
      readonly devices: number;
      readonly healthy: number;
      /** When its last byte was there, by `performance.now()`; the event itself is when it was decoded and in the books. */
      readonly receivedAt: number;
    }
  | {
      readonly kind: 'stream-ended';
      readonly resource: string;
      readonly endpoint: string;
      readonly error: string;
    }
  | { readonly kind: 'disconnected'; readonly resource: string; readonly endpoint: string }
  | ({ readonly kind: 'preferred'; readonly available: number; readonly size: number } & ContainerCall)
  | ({ readonly kind: 'allocated' } & ContainerCall)
  | ({ readonly kind: 'pre-start' } & ContainerCall)
  | {
      readonly kind: 'pods-listed';
      /** Pods that the answer shows. */
      readonly pods: number;
      /** Allocate and GetPreferredAllocation calls that were open at that moment. */
      readonly openCalls: number;
    }
  | { readonly kind: 'list-refused' }
  | { readonly kind: 'checkpoint-written'; readonly entries: number }
  | {
      readonly kind: 'pod';
      readonly pod: string;
      readonly phase: PodPhase | 'Removed';
      readonly reason: string;
      readonly message: string;
    };

/** A happening with its time by `performance.now()`, whatever clock the kubelet runs on. */
export type KubeletEvent = KubeletHappening & { readonly at: number };
export type EventOf<Kind extends KubeletEvent['kind']> = Extract<KubeletEvent, { readonly kind: Kind }>;

/** Everything that happened at the kubelet, in order; those who wait are woken by each new event. */
export class EventLog {
  readonly all: KubeletEvent[] = [];
  readonly #log: Log;
  readonly #sleepers = new Set<() => void>();
  #closed = false;

  constructor(log: Log) {
    this.#log = log;
  }

  add(happening: KubeletHappening): void {
    this.all.push({ ...happening, at: performance.now() });
    this.#log.debug(happening, `kubelet: ${happening.kind}`);
    this.#wake();
  }

  /** Ends all waiting, now and later, with an error: what is waited for will not happen any more. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /**
   * Resolves as soon as `accepts` returns something: it is asked after each event, and every 20 ms, because some states
   * change with the clock alone. Throws after `deadlineMs` real milliseconds, or when the log is closed, with what was waited for.
   */
  async until<T>(accepts: () => T | undefined, deadlineMs: number, what: () => string): Promise<T> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const found = accepts();
      if (found !== undefined) return found;
      if (this.#closed) throw new Error(`The stand-in kubelet is gone: ${what()}`);
      const leftMs = end - performance.now();
      if (leftMs <= 0) throw new Error(`Not within ${String(deadlineMs)} ms: ${what()}`);
      await this.#next(Math.min(leftMs, 20));
    }
  }

  #wake(): void {
    const woken = [...this.#sleepers];
    this.#sleepers.clear();
    for (const wake of woken) wake();
  }

  #next(atMostMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => wake(), atMostMs);
    const wake = (): void => {
      clearTimeout(timer);
      this.#sleepers.delete(wake);
      resolve();
    };
    this.#sleepers.add(wake);
    return promise;
  }
}
