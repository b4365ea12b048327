import type { Clock } from '../../lib/clock.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Driver, DriverEvent } from '../driver.ts';
import type { GpuSigns } from '../gpu-signs.ts';
import type { Snapshot } from '../gpu.ts';
import { isDriverAbsent } from './find-library.ts';
import { IncidentQueue, warnOfDropped } from '../incident-queue.ts';
import { pollMig } from './poll-mig.ts';
import { startHostProcess, type HostCommand, type HostProcess } from './host-process.ts';
import { Supervisor } from './supervisor.ts';
import { defaultDeadlines, type NvmlDeadlines } from './trouble.ts';

export interface NvmlDriverOptions {
  /** The library to load; `null` searches the usual places under `driverRoot`. */
  readonly library: string | null;
  /** Where the driver's files are seen: `/`, or the mount of the node's root in a container. */
  readonly driverRoot: string;
  /** `/proc` unless said otherwise; the kernel driver lists its GPUs there. */
  readonly procfsRoot?: string;
  /** How this program is started again, for the helper process. */
  readonly self: Pick<HostCommand, 'executable' | 'script' | 'options'>;
  /** Environment of the helper process; this process's own when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly deadlines?: NvmlDeadlines;
  /** Milliseconds between two questions whether MIG has changed. */
  readonly migPollMs?: number;
}

export interface NvmlDriverDeps {
  readonly log: Log;
  readonly clock: Clock;
  /** Starts a helper process; a test may put one of its own in its place. */
  readonly startHost?: (command: HostCommand) => HostProcess;
}

/**
 * The GPUs as NVIDIA's management library tells of them, through a helper process that may crash or hang without harm.
 * The helper is started and opens the library at once, in the background: its start-up then overlaps with the caller's.
 * A snapshot is one round trip. `snapshot` throws DriverError `no-driver` where no library can be loaded or no kernel
 * driver is, `driver-failed` for everything else; once disposed, an `AbortError`.
 */
export function createNvmlDriver(options: NvmlDriverOptions, deps: NvmlDriverDeps): Driver {
  const { self, env, library, driverRoot, procfsRoot = '/proc' } = options;
  const args = [driverRoot, procfsRoot, ...(library === null ? [] : [library])];
  const command: HostCommand = { ...self, args, ...(env === undefined ? {} : { env }) };
  const start = deps.startHost ?? startHostProcess;
  return new NvmlDriver({
    ...deps,
    deadlines: options.deadlines ?? defaultDeadlines,
    startHost: () => start(command),
    migPollMs: options.migPollMs ?? defaultMigPollMs,
    isAbsent: () => isDriverAbsent(library, driverRoot, procfsRoot),
  });
}

/** With the snapshot that follows, a change is known within five seconds. */
const defaultMigPollMs = 3_000;

interface ClientDeps extends Omit<ConstructorParameters<typeof Supervisor>[0], 'onLost' | 'onNews'> {
  readonly migPollMs: number;
}

class NvmlDriver implements Driver {
  readonly #supervisor: Supervisor;
  readonly #clock: Clock;
  readonly #migPollMs: number;
  readonly #closed = new AbortController();
  /** Told and not yet delivered, one of each kind. */
  #events: readonly Exclude<DriverEvent, { kind: 'incident' }>[] = [];
  readonly #incidents: IncidentQueue;
  readonly #changed = new Latest(null);
  readonly #migCapable = new Latest(false);
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<Snapshot> | null = null;

  constructor(deps: ClientDeps) {
    this.#clock = deps.clock;
    this.#migPollMs = deps.migPollMs;
    this.#incidents = new IncidentQueue(warnOfDropped(deps.log, deps.clock));
    this.#supervisor = new Supervisor({
      ...deps,
      onLost: (reason) => this.#tell({ kind: 'driver-restarted', reason }),
      onNews: (news) => this.#hear(news),
    });
    this.#supervisor.warmUp();
  }

  /** Callers that come while a reading is under way share the next one: the one under way may be too old for them. */
  snapshot(): Promise<Snapshot> {
    this.#next ??= this.#inTurn(async () => {
      this.#next = null;
      const snapshot = await this.#supervisor.snapshot();
      const capable = snapshot.gpus.some(({ mig }) => mig !== null);
      if (capable !== this.#migCapable.value) this.#migCapable.set(capable);
      return snapshot;
    });
    return this.#next;
  }

  signs(): Promise<readonly GpuSigns[]> {
    return this.#inTurn(() => this.#supervisor.signs());
  }

  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent, void, void> {
    const scope = new AbortController();
    const stop = AbortSignal.any([signal, this.#closed.signal, scope.signal]);
    const polling = this.#pollMig(stop);
    try {
      for await (const _ of this.#changed.values(stop))
        for (let event = this.#nextEvent(); event !== undefined && !stop.aborted; event = this.#nextEvent())
          yield event;
    } finally {
      scope.abort();
      await polling;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#supervisor[Symbol.asyncDispose]();
  }

  #pollMig(signal: AbortSignal): Promise<void> {
    return pollMig(
      {
        clock: this.#clock,
        pauseMs: this.#migPollMs,
        capable: this.#migCapable,
        ask: () => this.#inTurn(() => this.#supervisor.migChange()),
        tell: (reason) => this.#tell({ kind: 'inventory-changed', reason }),
      },
      signal,
    );
  }

  #hear(news: Parameters<ConstructorParameters<typeof Supervisor>[0]['onNews']>[0]): void {
    if (news.kind === 'changed') return this.#tell({ kind: 'inventory-changed', reason: news.reason });
    for (const incident of news.incidents) this.#incidents.add(incident);
    this.#changed.set(null);
  }

  /** The newest of a kind takes the place of an older one. */
  #tell(event: Exclude<DriverEvent, { kind: 'incident' }>): void {
    this.#events = [...this.#events.filter(({ kind }) => kind !== event.kind), event];
    this.#changed.set(null);
  }

  /** What is told next; incidents come before what they may have changed. */
  #nextEvent(): DriverEvent | undefined {
    const incident = this.#incidents.shift();
    if (incident !== undefined) return { kind: 'incident', incident };
    const [event, ...later] = this.#events;
    this.#events = later;
    return event;
  }

  /** The helper takes one question at a time. */
  #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.#last.then(ask);
    this.#last = answer.catch(() => {});
    return answer;
  }
}
