import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { backoffMs } from '../../lib/retry.ts';
import { CallHung, EventSet, type EventSetDeps, type ToldEvent } from './event-set.ts';
import { IncidentQueue } from '../incident-queue.ts';
import type { HostNews } from './protocol.ts';
import { changesMig, toIncident, type WatchedGpu } from './told-event.ts';

export interface EventWatchDeps extends EventSetDeps {
  readonly tell: (news: HostNews) => void;
}

/**
 * Follows the driver's events while the library is open. A wait that fails costs a new set after a growing pause; one that does not
 * come back is told as `stuck`, after which nothing more comes: only the end of the process frees the thread.
 */
export class EventWatch {
  readonly #deps: EventWatchDeps;
  #gpus: readonly WatchedGpu[] = [];
  /** Why a GPU is not followed, by its index. */
  #reasons = new Map<number, string>();
  #stop = new AbortController();
  /** After the next event; longer the more of them come without a pause. */
  #restMs = shortestRestMs;
  #running: Promise<void> | null = null;

  constructor(deps: EventWatchDeps) {
    this.#deps = deps;
  }

  /** From now on these GPUs are followed; starts at once where nothing was. */
  follow(gpus: readonly WatchedGpu[]): void {
    this.#gpus = gpus;
    if (this.#running !== null || gpus.length === 0) return;
    this.#stop = new AbortController();
    this.#reasons = new Map(gpus.map(({ index }) => [index, notYet]));
    this.#running = this.#run(this.#stop.signal);
  }

  /** Why what happens to this GPU would not be told now, or null. */
  whyNot(index: number): string | null {
    if (this.#running === null || !this.#gpus.some((gpu) => gpu.index === index)) return notYet;
    return this.#reasons.get(index) ?? null;
  }

  /** Resolves when no call is under way, or is given up. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#running = null;
  }

  async #run(stop: AbortSignal): Promise<void> {
    for (let failures = 0; !stop.aborted;) {
      try {
        // After a failure a GPU that does not answer is the first suspect, and must not cost the others their events.
        await this.#useSet({ withSick: failures === 0, onGood: () => (failures = 0) }, stop);
      } catch (thrown) {
        const reason = `the driver does not tell of errors: ${describeError(thrown)}`;
        this.#reasons = new Map(this.#gpus.map(({ index }) => [index, reason]));
        if (thrown instanceof CallHung) return this.#deps.tell({ kind: 'stuck', reason: thrown.message });
        failures += 1;
        if (failures === 1) this.#deps.tell({ kind: 'changed', reason });
        await pause(backoffMs(failurePause, failures), this.#deps.clock, stop);
      }
    }
  }

  /** Until other GPUs are to be followed, or one that could not be is worth another try. */
  async #useSet(
    { withSick, onGood }: { withSick: boolean; onGood: () => void },
    stop: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#deps;
    const before = identify(this.#gpus);
    const set = await EventSet.create(this.#deps);
    let isUsable = true;
    try {
      this.#reasons = await addAll(set, this.#gpus, withSick);
      const isInVain = this.#reasons.size === this.#gpus.length;
      const untilMs = this.#reasons.size > 0 ? clock.now() + retryPauseMs : Infinity;
      while (!stop.aborted && identify(this.#gpus) === before && clock.now() < untilMs) {
        if (isInVain) await pause(waitMs, clock, stop);
        else await this.#waitOnce(set, stop);
        onGood();
      }
    } catch (thrown) {
      isUsable = !(thrown instanceof CallHung);
      throw thrown;
    } finally {
      if (isUsable) await set.free();
    }
  }

  async #waitOnce(set: EventSet, stop: AbortSignal): Promise<void> {
    const first = await set.wait(waitMs);
    if (first === null) {
      this.#restMs = shortestRestMs;
      return;
    }
    // The first one is told before the others are looked for.
    this.#take([first]);
    this.#take(set.drain(burst));
    // A storm is counted, not followed: what comes within the pause is one message, and each message makes the agent ask all GPUs how they are.
    await pause(this.#restMs, this.#deps.clock, stop);
    this.#restMs = Math.min(longestRestMs, 2 * this.#restMs);
  }

  #take(told: readonly ToldEvent[]): void {
    // There is room for all of them.
    const queue = new IncidentQueue(() => undefined, burst + 1);
    for (const event of told) {
      const gpu = this.#gpus.find(({ index }) => index === event.gpu) ?? null;
      const incident = toIncident(event, gpu);
      if (incident !== null) queue.add(incident);
    }
    const incidents = queue.takeAll();
    if (incidents.length > 0) this.#deps.tell({ kind: 'incidents', incidents });
    if (told.some(changesMig)) this.#deps.tell({ kind: 'changed', reason: 'the MIG configuration changed' });
  }
}

/** Has the set follow the GPUs. @returns why it does not follow some, by index */
async function addAll(
  set: EventSet,
  gpus: readonly WatchedGpu[],
  withSick: boolean,
): Promise<Map<number, string>> {
  const reasons = new Map<number, string>();
  for (const { index, error } of gpus) {
    const reason = error !== null && !withSick ? error : await set.add(index);
    if (reason !== null) reasons.set(index, reason);
  }
  return reasons;
}

function identify(gpus: readonly WatchedGpu[]): string {
  return gpus.map(({ index, uuid }) => `${index} ${uuid}`).join(' ');
}

const notYet = 'the driver is not asked for events yet';
/** How long a wait may take, and so how long a stop may. */
const waitMs = 3_000;
const shortestRestMs = 20;
const longestRestMs = 100;
const burst = 5_000;
const failurePause = { firstMs: 1_000, maxMs: 60_000 };
const retryPauseMs = 60_000;

async function pause(ms: number, clock: Clock, stop: AbortSignal): Promise<void> {
  await clock.sleep(ms, stop).catch(() => undefined);
}
