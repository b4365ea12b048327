import { type DeviceNodes, readDeviceNodes } from '../../inventory/device-nodes.ts';
import { type Driver, DriverError, type DriverEvent } from '../../inventory/driver.ts';
import type { Snapshot } from '../../inventory/gpu.ts';
import { findPciGpus } from '../../inventory/pci-gpus.ts';
import { orAborted } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError, isAbort, toError } from '../../lib/errors.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { backoffMs } from '../../lib/retry.ts';
import { untilOrPause } from '../../lib/until-or-pause.ts';
import type { InventorySettings } from '../settings.ts';

/** What is known of the node's GPUs. The last good reading stays in force while later ones fail. */
export interface InventoryState {
  readonly reading: Reading | null;
  /** Why the newest attempt failed; `null` when it did not. */
  readonly failure: string | null;
  /** The newest attempt found no driver at all, so there is nothing that could be read. */
  readonly noDriver: boolean;
  /** How many NVIDIA GPUs the PCI bus had when the newest attempt failed; `null` when it did not fail, or nobody can say. */
  readonly pciGpus: number | null;
}

export interface Reading {
  readonly snapshot: Snapshot;
  readonly nodes: DeviceNodes;
  /** Milliseconds of the monotonic clock. */
  readonly readAtMs: number;
}

export interface InventoryLoopDeps {
  readonly driver: Driver;
  /** The settings as they are now. */
  readonly settings: () => InventorySettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: InventoryObserver;
  /** Hears all that the driver tells unasked. */
  readonly hear: (event: DriverEvent) => void;
  /** Counts the times that a reading is due at once. */
  readonly due: Latest<number>;
}

export interface InventoryObserver {
  snapshotFailure(): void;
  driverRestart(): void;
}

const retryLimits = { firstMs: 500, maxMs: 30_000 };

/** What is known before the first attempt. */
export function emptyInventory(): Latest<InventoryState> {
  return new Latest<InventoryState>({ reading: null, failure: null, noDriver: false, pciGpus: null });
}

/**
 * Reads the GPUs again and again into `state`: after each interval, at once when the driver tells of a change, and after a
 * growing pause while it fails. Ends when the signal aborts.
 */
export async function keepInventory(
  state: Latest<InventoryState>,
  deps: InventoryLoopDeps,
  signal: AbortSignal,
): Promise<void> {
  const { driver, clock, log, observer, due } = deps;
  const listening = followEvents(deps, () => due.set(due.value + 1), signal);
  let failures = 0;
  while (!signal.aborted) {
    const seen = due.value;
    try {
      // A call that hangs in the driver must not hold up the end; whoever opened the driver closes it.
      const snapshot = await orAborted(driver.snapshot(), signal);
      const { devRoot, imexChannelIds } = deps.settings();
      const nodes = await readDeviceNodes(devRoot, imexChannelIds);
      if (state.value.failure !== null) log.info({ gpus: snapshot.gpus.length }, 'the driver answers again');
      const reading = { snapshot, nodes, readAtMs: clock.now() };
      state.set({ reading, failure: null, noDriver: false, pciGpus: null });
      failures = 0;
    } catch (thrown) {
      if (signal.aborted) break;
      failures += 1;
      observer.snapshotFailure();
      const failure = describeError(thrown);
      const { pciSysfsRoot } = deps.settings();
      const pciGpus = pciSysfsRoot === null ? null : ((await findPciGpus(pciSysfsRoot))?.length ?? null);
      if (failure !== state.value.failure || pciGpus !== state.value.pciGpus)
        tellFailure(failure, pciGpus, log);
      const noDriver = thrown instanceof DriverError && thrown.code === 'no-driver';
      state.set({ ...state.value, failure, noDriver, pciGpus });
    }
    const pauseMs = failures === 0 ? deps.settings().rescanIntervalMs : backoffMs(retryLimits, failures);
    await untilOrPause(due, (count) => count !== seen, pauseMs, clock, signal).catch(() => undefined);
  }
  await listening;
}

function tellFailure(reason: string, pciGpus: number | null, log: Log): void {
  if (pciGpus === 0)
    log.info({ reason }, 'there is no NVIDIA GPU on this node: nothing is offered until there is one');
  else log.warn({ reason, pciGpus }, 'the GPUs cannot be read, trying on');
}

async function followEvents(
  deps: InventoryLoopDeps,
  changed: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of deps.driver.events(signal)) {
        deps.hear(event);
        if (event.kind === 'incident') continue;
        if (event.kind === 'driver-restarted') deps.observer.driverRestart();
        deps.log.info({ event: event.kind, reason: event.reason }, 'driver event');
        changed();
      }
      return;
    } catch (thrown) {
      if (isAbort(thrown)) return;
      deps.log.warn({ err: toError(thrown) }, 'the driver event stream broke');
      await deps.clock.sleep(retryLimits.maxMs, signal).catch(() => undefined);
    }
  }
}
