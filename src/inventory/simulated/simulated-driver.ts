import { watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { DriverError, type Driver, type DriverEvent } from '../driver.ts';
import type { GpuSigns } from '../gpu-signs.ts';
import type { Snapshot } from '../gpu.ts';
import type { Scenario } from './assemble-scenario.ts';
import { nodeAt, type NodeState } from './node-at.ts';
import { ScenarioSource } from './scenario-source.ts';
import { TimelineEvents } from './timeline-events.ts';
import { toSigns } from './to-signs.ts';
import { toSnapshot } from './to-snapshot.ts';

/** How often the scenario file is looked at, beside the file system's own notice. */
const pollMs = 1000;

/**
 * A driver that answers from a scenario: a preset's name or the path of a YAML or JSON file. Times of its timeline count
 * from the first use; a changed file starts anew from the moment it is noticed. A file that is wrong from the start makes
 * `snapshot` reject until it is mended; one that turns wrong later leaves the last good one in force.
 */
export function createSimulatedDriver(
  options: { readonly scenario: string },
  deps: { readonly log: Log; readonly clock: Clock },
): Driver {
  return new SimulatedDriver(new ScenarioSource(options.scenario, deps.log), deps.clock);
}

class SimulatedDriver implements Driver {
  readonly #source: ScenarioSource;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #start: { readonly generation: number; readonly at: number } | null = null;
  readonly #timeline = new TimelineEvents();
  /** Happened and not yet delivered. */
  #pending: DriverEvent[] = [];

  constructor(source: ScenarioSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  snapshot(): Promise<Snapshot> {
    return this.#answer(toSnapshot);
  }

  signs(): Promise<readonly GpuSigns[]> {
    return this.#answer((_scenario, gpus) => toSigns(gpus));
  }

  async #answer<T>(answer: (scenario: Scenario, gpus: NodeState['gpus']) => T): Promise<T> {
    while (!this.#closing.signal.aborted) {
      const { scenario, elapsedMs } = this.#look();
      const { driver, gpus } = nodeAt(scenario, elapsedMs);
      switch (driver.kind) {
        case 'answering':
          return answer(scenario, gpus);
        case 'failing':
          throw new DriverError(
            'driver-failed',
            `The simulated driver of ${scenario.name} fails: ${driver.reason}`,
          );
        case 'missing':
          throw new DriverError(
            'no-driver',
            `The scenario ${scenario.name} has no driver now: ${driver.reason}`,
          );
        case 'hanging':
          await this.#pause(this.#closing.signal);
      }
    }
    throw new DriverError('driver-failed', 'The simulated driver is closed');
  }

  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent, void, void> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    using file = watchFile(this.#source.path);
    while (!stop.aborted) {
      const noticed = file.next();
      if (this.#pending.length === 0) this.#pending = this.#takeEvents();
      const event = this.#pending.shift();
      if (event === undefined) await this.#pause(stop, noticed);
      else yield event;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
  }

  #look(): { scenario: Scenario; generation: number; elapsedMs: number } {
    const { scenario, generation } = this.#source.load();
    const now = this.#clock.now();
    if (this.#start?.generation !== generation) this.#start = { generation, at: now };
    return { scenario, generation, elapsedMs: now - this.#start.at };
  }

  #takeEvents(): DriverEvent[] {
    try {
      const { scenario, generation, elapsedMs } = this.#look();
      return this.#timeline.take(scenario, generation, elapsedMs);
    } catch {
      // `snapshot` tells its caller why the scenario cannot be read; here only its mending matters.
      this.#timeline.lost();
      return [];
    }
  }

  /** Waits for the next event of the timeline, the next look at the file or the given notice; ends quietly on abort. */
  async #pause(signal: AbortSignal, noticed?: Promise<void>): Promise<void> {
    const enough = new AbortController();
    const delays = [this.#nextEventMs(), this.#source.path === null ? null : pollMs];
    const sleeps = delays
      .filter((delay) => delay !== null)
      .map((delay) => this.#clock.sleep(delay, AbortSignal.any([signal, enough.signal])));
    try {
      await Promise.race([
        aborted(signal, enough.signal),
        ...sleeps,
        ...(noticed === undefined ? [] : [noticed]),
      ]);
    } catch (error) {
      if (!isAbort(error)) throw error;
    } finally {
      enough.abort();
      await Promise.allSettled(sleeps);
    }
  }

  #nextEventMs(): number | null {
    const scenario = this.#source.current;
    if (scenario === null || this.#start === null) return null;
    const elapsedMs = this.#clock.now() - this.#start.at;
    const next = scenario.timeline.find(({ at }) => at > elapsedMs);
    return next === undefined ? null : next.at - elapsedMs;
  }
}

/** Resolves when the first signal aborts; the second only takes the listener away. */
function aborted(signal: AbortSignal, forget: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true, signal: forget });
  });
}

/** The file system's notices about a file's folder (a file may be replaced by renaming); none for a preset. */
function watchFile(path: string | null): Disposable & { next(): Promise<void> } {
  let notice = Promise.withResolvers<void>();
  const close = path === null ? null : watchFolder(dirname(path), () => notice.resolve());
  return {
    next() {
      notice = Promise.withResolvers<void>();
      return notice.promise;
    },
    [Symbol.dispose]() {
      close?.();
    },
  };
}

/** Without a watch (no such folder, no inotify handles left) the regular look at the file remains. */
function watchFolder(folder: string, onNotice: () => void): () => void {
  try {
    const watcher = watch(folder, { persistent: false }, onNotice);
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => undefined;
  }
}
