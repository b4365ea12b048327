import type { Clock } from '../../lib/clock.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Driver, DriverEvent } from '../driver.ts';
import type { Snapshot } from '../gpu.ts';
import { isDriverAbsent } from './find-library.ts';
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
    isAbsent: () => isDriverAbsent(library, driverRoot, procfsRoot),
  });
}

class NvmlDriver implements Driver {
  readonly #supervisor: Supervisor;
  readonly #closed = new AbortController();
  readonly #restart = new Latest<DriverEvent | null>(null);
  #delivered: DriverEvent | null = null;
  #reading: Promise<unknown> = Promise.resolve();
  #next: Promise<Snapshot> | null = null;

  constructor(deps: Omit<ConstructorParameters<typeof Supervisor>[0], 'onLost'>) {
    this.#supervisor = new Supervisor({
      ...deps,
      onLost: (reason) => this.#restart.set({ kind: 'driver-restarted', reason }),
    });
    this.#supervisor.warmUp();
  }

  /** Callers that come while a reading is under way share the next one: the one under way may be too old for them. */
  snapshot(): Promise<Snapshot> {
    this.#next ??= this.#readAfter(this.#reading);
    return this.#next;
  }

  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent, void, void> {
    for await (const event of this.#restart.values(AbortSignal.any([signal, this.#closed.signal]))) {
      if (event === null || event === this.#delivered) continue;
      this.#delivered = event;
      yield event;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#supervisor[Symbol.asyncDispose]();
  }

  async #readAfter(before: Promise<unknown>): Promise<Snapshot> {
    await before;
    this.#next = null;
    const reading = this.#supervisor.snapshot();
    this.#reading = reading.catch(() => {});
    return reading;
  }
}
