import type { Clock } from '../lib/clock.ts';
import type { GpuIncident } from './gpu-signs.ts';

/**
 * Counts an XID once that two sources tell of within a moment. Whichever source has told more of the same XID on the same GPU says how often
 * it happened; the instance of a GPU in MIG mode is not compared, because older drivers leave it out of the kernel log.
 */
export class OncePerSource {
  readonly #clock: Clock;
  readonly #tallies = new Map<string, Tally>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The part of the incident that no source has told yet; null for none. */
  take(incident: GpuIncident): GpuIncident | null {
    if (incident.kind !== 'xid') return incident;
    const nowMs = this.#clock.now();
    for (const [key, { untilMs }] of this.#tallies) if (untilMs <= nowMs) this.#tallies.delete(key);
    const key = `${incident.xid} ${incident.pciBusId ?? incident.gpu ?? ''}`;
    const tally = this.#tallies.get(key) ?? { told: 0, bySource: new Map(), untilMs: nowMs + momentMs };
    this.#tallies.set(key, tally);
    const fromHere = (tally.bySource.get(incident.source) ?? 0) + incident.count;
    tally.bySource.set(incident.source, fromHere);
    const count = fromHere - tally.told;
    if (count <= 0) return null;
    tally.told = fromHere;
    return { ...incident, count };
  }
}

interface Tally {
  told: number;
  readonly bySource: Map<GpuIncident['source'], number>;
  readonly untilMs: number;
}

/** The log is looked at ten times a second; a driver under stress takes longer to tell. */
const momentMs = 5_000;
