import { describeError, isAbort } from '../lib/errors.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import { DriverError, type Driver, type DriverEvent } from './driver.ts';
import type { GpuSigns } from './gpu-signs.ts';
import type { Snapshot } from './gpu.ts';

/** A way to the GPUs that may be tried. */
export interface DriverChoice {
  readonly name: string;
  readonly open: () => Driver;
}

/**
 * A driver that asks the first of several which answers. The one that answered is kept while it does; so that one hiccup
 * does not change the node's view of its GPUs, it may fail three times in a row before the others are tried again, in
 * order. A choice that says that there is no driver is left at once.
 */
export function chooseDriver(choices: readonly DriverChoice[], log: Log): Driver {
  return new AutoDriver(choices, log);
}

const failuresBeforeChange = 3;

interface OpenDriver {
  readonly name: string;
  readonly driver: Driver;
}

class AutoDriver implements Driver {
  readonly #choices: readonly DriverChoice[];
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #active = new Latest<OpenDriver | null>(null);
  readonly #open = new Map<string, OpenDriver>();
  #failures = 0;

  constructor(choices: readonly DriverChoice[], log: Log) {
    this.#choices = choices;
    this.#log = log;
  }

  async snapshot(): Promise<Snapshot> {
    const active = this.#active.value;
    if (active === null) return await this.#choose();
    try {
      const snapshot = await active.driver.snapshot();
      this.#failures = 0;
      return snapshot;
    } catch (error) {
      if (isAbort(error)) throw error;
      this.#failures += 1;
      if (!saysNoDriver(error) && this.#failures < failuresBeforeChange) throw error;
      if (this.#active.value === active) this.#active.set(null);
    }
    return await this.#choose();
  }

  /** An empty list would say that there is no GPU; that nobody can be asked is an error. */
  async signs(): Promise<readonly GpuSigns[]> {
    const active = this.#active.value;
    if (active === null)
      throw new DriverError('driver-failed', 'no way to the GPUs answers; the next reading tries them all');
    return await active.driver.signs();
  }

  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent, void, void> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    for await (const active of this.#active.values(stop)) {
      if (active === null) continue;
      const scope = new AbortController();
      const until = AbortSignal.any([stop, scope.signal]);
      const replaced = this.#active
        .until((value) => value !== active, until)
        .then(
          () => scope.abort(),
          () => undefined,
        );
      try {
        yield* active.driver.events(until);
      } finally {
        scope.abort();
        await replaced;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#closeAllBut(null);
  }

  async #choose(): Promise<Snapshot> {
    const failures: { readonly name: string; readonly error: unknown }[] = [];
    for (const choice of this.#choices) {
      this.#closing.signal.throwIfAborted();
      const open = this.#open.get(choice.name) ?? { name: choice.name, driver: choice.open() };
      this.#open.set(choice.name, open);
      try {
        const snapshot = await open.driver.snapshot();
        await this.#keep(open, failures);
        return snapshot;
      } catch (error) {
        if (isAbort(error)) throw error;
        failures.push({ name: choice.name, error });
      }
    }
    throw describeFailures(failures);
  }

  async #keep(open: OpenDriver, failures: readonly { name: string; error: unknown }[]): Promise<void> {
    this.#failures = 0;
    if (this.#active.value === open) return;
    const instead = failures.map(({ name, error }) => `${name}: ${describeError(error)}`);
    this.#log.info({ driver: open.name, instead }, 'GPUs are read through this driver');
    this.#active.set(open);
    await this.#closeAllBut(open);
  }

  async #closeAllBut(kept: OpenDriver | null): Promise<void> {
    const closed = [...this.#open.values()].filter((open) => open !== kept);
    for (const { name } of closed) this.#open.delete(name);
    await Promise.all(closed.map(({ driver }) => driver[Symbol.asyncDispose]()));
  }
}

/** `no-driver` only where nobody found one. */
function describeFailures(failures: readonly { name: string; error: unknown }[]): DriverError {
  const reasons = failures.map(({ name, error }) => `${name}: ${describeError(error)}`);
  const code = failures.every(({ error }) => saysNoDriver(error)) ? 'no-driver' : 'driver-failed';
  return new DriverError(code, `No way to the GPUs answers.\n${reasons.join('\n')}`);
}

function saysNoDriver(error: unknown): boolean {
  return error instanceof DriverError && error.code === 'no-driver';
}
