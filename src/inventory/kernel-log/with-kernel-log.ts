import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Driver, DriverEvent } from '../driver.ts';
import { IncidentQueue, warnOfDropped } from '../incident-queue.ts';
import { KernelLog } from './kernel-log.ts';
import { parseXid } from './parse-xid.ts';

/**
 * Lets a driver tell of the XIDs in the kernel's log too, as incidents of their own; the same error may come both ways.
 * @param options `path` is `/dev/kmsg`
 */
export function withKernelLog(
  driver: Driver,
  options: { readonly path: string },
  deps: { readonly log: Log; readonly clock: Clock },
): Driver {
  const kernelLog = new KernelLog(options.path, deps.log);
  const onDropped = warnOfDropped(deps.log, deps.clock);
  return {
    snapshot: () => driver.snapshot(),
    signs: () => driver.signs(),
    events: (signal) =>
      kernelLog.isOpen ? both(driver, kernelLog, { ...deps, onDropped }, signal) : driver.events(signal),
    async [Symbol.asyncDispose]() {
      kernelLog[Symbol.dispose]();
      await driver[Symbol.asyncDispose]();
    },
  };
}

const pollMs = 100;
/** Records of one look; what comes faster waits in the kernel, which keeps the newest. */
const mostRecords = 1_000;

async function* both(
  driver: Driver,
  kernelLog: KernelLog,
  { clock, onDropped }: { readonly clock: Clock; readonly onDropped: () => void },
  signal: AbortSignal,
): AsyncGenerator<DriverEvent, void, void> {
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const told = new Told(new IncidentQueue(onDropped));
  const ending = Promise.withResolvers<void>();
  const following = follow(driver, told, until).then(ending.resolve, ending.reject);
  const looking = lookAgain(kernelLog, told, clock, until);
  ending.promise.then(
    () => scope.abort(),
    () => scope.abort(),
  );
  try {
    for await (const _ of told.changed.values(until))
      for (let event = told.shift(); event !== undefined; event = told.shift()) yield event;
    await ending.promise;
  } finally {
    scope.abort();
    await Promise.allSettled([following, looking]);
  }
}

/** Told and not yet delivered. */
class Told {
  readonly changed = new Latest(null);
  readonly #events: DriverEvent[] = [];
  readonly #incidents: IncidentQueue;

  constructor(incidents: IncidentQueue) {
    this.#incidents = incidents;
  }

  add(event: DriverEvent): void {
    if (event.kind === 'incident') this.#incidents.add(event.incident);
    else this.#events.push(event);
    this.changed.set(null);
  }

  shift(): DriverEvent | undefined {
    const incident = this.#incidents.shift();
    return incident === undefined ? this.#events.shift() : { kind: 'incident', incident };
  }
}

async function follow(driver: Driver, told: Told, signal: AbortSignal): Promise<void> {
  for await (const event of driver.events(signal)) told.add(event);
}

async function lookAgain(kernelLog: KernelLog, told: Told, clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    while (kernelLog.isOpen) {
      for (const line of kernelLog.take(mostRecords)) {
        const incident = parseXid(line);
        if (incident !== null) told.add({ kind: 'incident', incident });
      }
      await clock.sleep(pollMs, signal);
    }
  } catch (thrown) {
    if (!isAbort(thrown)) throw thrown;
  }
}
