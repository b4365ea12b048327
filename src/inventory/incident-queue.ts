import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { rarelyEach } from '../lib/once-each.ts';
import type { GpuIncident } from './gpu-signs.ts';

/**
 * Incidents on their way, equal ones made one with their number. It holds so many different ones at most; in a worse storm the MIG
 * instance is left out, and then what else is new is dropped, which is told.
 */
export class IncidentQueue {
  readonly #limit: number;
  readonly #waiting = new Map<string, GpuIncident>();
  readonly #onDropped: (count: number) => void;

  constructor(onDropped: (count: number) => void, limit = defaultLimit) {
    this.#onDropped = onDropped;
    this.#limit = limit;
  }

  add(incident: GpuIncident): void {
    if (this.#merge(incident)) return;
    if (this.#waiting.size < this.#limit) {
      this.#waiting.set(keyOf(incident), incident);
      return;
    }
    if (!this.#merge({ ...incident, gpuInstanceId: null, computeInstanceId: null }))
      this.#onDropped(incident.count);
  }

  /** The oldest, which leaves the queue; undefined where there is none. */
  shift(): GpuIncident | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    this.#waiting.delete(first[0]);
    return first[1];
  }

  /** All of them, oldest first. */
  takeAll(): GpuIncident[] {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    return all;
  }

  #merge(incident: GpuIncident): boolean {
    const key = keyOf(incident);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return false;
    this.#waiting.set(key, { ...waiting, count: waiting.count + incident.count });
    return true;
  }
}

/** GPUs times kinds of XID that a node can have in a bad moment. */
const defaultLimit = 1_000;

function keyOf(incident: GpuIncident): string {
  const { kind, gpu, pciBusId, gpuInstanceId, computeInstanceId, source } = incident;
  const xid = incident.kind === 'xid' ? incident.xid : null;
  return JSON.stringify([kind, xid, gpu, pciBusId, gpuInstanceId, computeInstanceId, source]);
}

/** Warns, once in a while, that incidents are lost. */
export function warnOfDropped(log: Log, clock: Clock): () => void {
  const say = rarelyEach((text) => log.warn(text), clock, { everyMs: 600_000, most: 1 });
  return () =>
    say(
      `the driver tells of more different errors than can be kept (${defaultLimit}): some are lost; the GPUs are asked how they are all the same`,
    );
}
