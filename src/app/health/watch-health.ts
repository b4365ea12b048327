import { placeIncident } from '../../health/verdict-faults.ts';
import type { Verdicts } from '../../health/verdict.ts';
import { lookUpXid, xidCatalogue } from '../../health/xid.ts';
import type { Driver, DriverEvent } from '../../inventory/driver.ts';
import type { GpuIncident } from '../../inventory/gpu-signs.ts';
import { orAborted } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { msToStep } from '../../lib/in-step.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { rarelyEach } from '../../lib/once-each.ts';
import { untilOrPause } from '../../lib/until-or-pause.ts';
import type { Metrics } from '../../metrics/collect.ts';
import type { Node } from '../node.ts';

export interface WatchHealthDeps {
  readonly driver: Pick<Driver, 'signs'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'xid'>;
  /** A GPU is lost or found: the next reading of the inventory is due. */
  readonly readAgain: () => void;
}

/** As often as MIG is asked for, and in step with it: the helper process then wakes once for both. */
const askEveryMs = 3000;
const atMostEveryMs = 200;
/** What is told of GPUs that are not known here can be of many, and in turns. */
const nameless = { everyMs: 600_000, most: 20 };
/** A driver that takes longer is not waited for in silence. */
const answersWithinMs = 20_000;

/**
 * Learns from one driver how the GPUs of a node are: what it tells unasked, and what it says when it is asked every few seconds. A driver that fails or
 * hangs takes no GPU away; nobody then knows how they are, which is told.
 */
export class HealthWatch {
  readonly #node: Pick<Node, 'health' | 'inventory'>;
  readonly #deps: WatchHealthDeps;
  readonly #askNow = new Latest(0);
  readonly #sayNameless: (text: string) => void;

  constructor(node: Pick<Node, 'health' | 'inventory'>, deps: WatchHealthDeps) {
    this.#node = node;
    this.#deps = deps;
    this.#sayNameless = rarelyEach((text) => deps.log.warn(text), deps.clock, nameless);
  }

  /** Takes what the driver tells; the signs are likely to be others after it. */
  hear(event: DriverEvent): void {
    if (event.kind === 'incident') this.#take(event.incident);
    this.#askNow.set(this.#askNow.value + 1);
  }

  /** Asks until the signal aborts, from the first reading of the GPUs on. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    await this.#node.inventory.until(({ reading }) => reading !== null, signal);
    while (!signal.aborted) {
      const seen = this.#askNow.value;
      await this.#ask(signal);
      const mayAskMs = clock.now() + atMostEveryMs;
      const pauseMs = msToStep(clock, askEveryMs);
      await untilOrPause(this.#askNow, (count) => count !== seen, pauseMs, clock, signal).catch(
        () => undefined,
      );
      // A storm of errors must not become one of questions.
      const restMs = mayAskMs - clock.now();
      if (restMs > 0) await clock.sleep(restMs, signal).catch(() => undefined);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { health } = this.#node;
    const askedAt = health.wallNow();
    const asked = this.#deps.driver.signs();
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const limit = this.#deps.clock.sleep(answersWithinMs, until).then(
      () => this.#blind(`the driver has not said for ${answersWithinMs / 1000} s how its GPUs are`),
      () => undefined,
    );
    try {
      // A call that hangs must not hold up the end; no other one is made before it has ended.
      const signs = await orAborted(asked, signal);
      const before = lostOf(health.verdicts.value);
      health.learn({ kind: 'signs', signs, askedAt });
      if (lostOf(health.verdicts.value) !== before) this.#deps.readAgain();
    } catch (thrown) {
      if (!signal.aborted) this.#blind(`the driver does not say how its GPUs are: ${describeError(thrown)}`);
    } finally {
      over.abort();
      await limit;
    }
  }

  #blind(reason: string): void {
    this.#node.health.learn({ kind: 'blind', reason });
  }

  #take(incident: GpuIncident): void {
    const { health, inventory } = this.#node;
    const { metrics } = this.#deps;
    const snapshot = inventory.value.reading?.snapshot ?? null;
    const isKnown = snapshot === null || snapshot.gpus.some(({ uuid }) => uuid === incident.gpu);
    const gpu = isKnown ? incident.gpu : null;
    if (incident.kind === 'xid') {
      const { class: xidClass } = lookUpXid(incident.xid);
      // Numbers that nobody knows are one series: a driver could tell any of them.
      const xid = xidCatalogue.has(incident.xid) ? String(incident.xid) : 'unknown';
      metrics.xid({ uuid: gpu ?? '', xid, class: xidClass }, incident.count);
    }
    if (gpu !== null) {
      health.learn({ kind: 'incident', incident, scope: placeIncident(incident, snapshot) });
      return;
    }
    const what = incident.kind === 'xid' ? `XID ${incident.xid}` : incident.kind;
    const where = incident.gpu ?? incident.pciBusId ?? 'a GPU that is not named';
    this.#sayNameless(
      `the driver tells of ${what} on ${where}, which is no GPU that can be read on this node: nothing is done about it`,
    );
  }
}

/** The GPUs that do not answer, as one text. */
function lostOf({ gpus }: Verdicts): string {
  return [...gpus.values()]
    .filter(({ findings }) => findings.some(({ kind }) => kind === 'lost'))
    .map(({ gpu }) => gpu)
    .toSorted()
    .join();
}
