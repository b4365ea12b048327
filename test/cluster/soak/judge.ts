import type { ClusterNode } from '../support/cluster-node.ts';
import { gpusOfEntry } from './bookings.ts';
import { findDoubleBookings } from './double-bookings.ts';
import { explainFailure } from './explain.ts';
import { Ledger } from './ledger.ts';
import { findMismatches } from './mismatches.ts';
import type { Violation } from './observation.ts';
import { Patience } from './patience.ts';
import type { PodHistory } from './pod-watch.ts';
import { findSigns } from './signs.ts';
import { isWithheld, type Scene, wellGpus } from './scene.ts';
import { observe, ProgramWatch } from './witnesses.ts';

/** How long witnesses may differ: far longer than the kubelet needs to see that a container has ended. */
const differMs = 30_000;

/** Hears the witnesses after each step and adds what must not be to the scene's violations. */
export class Judge {
  checks = 0;
  withPodResources = 0;
  readonly afterForce = new Set<string>();
  /** Why each pod was refused, by uid. */
  readonly refused = new Map<string, string>();
  readonly #scene: Scene;
  readonly #programs: ProgramWatch;
  readonly #ledger = new Ledger();
  readonly #patience = new Patience(differMs);

  private constructor(scene: Scene, programs: ProgramWatch) {
    this.#scene = scene;
    this.#programs = programs;
  }

  static async of(scene: Scene, node: ClusterNode): Promise<Judge> {
    return new Judge(scene, await ProgramWatch.of(node));
  }

  /** Resolves with what the witnesses do not agree on, which may be because some have not heard the news. */
  async check(): Promise<readonly string[]> {
    const { node, watch, known, plan, violations, agents, availableMs, suspects } = this.#scene;
    const kubelet = availableMs['restart-kubelet'].length + availableMs['restart-both'].length;
    const seen = await observe(node, watch, () => performance.now() > this.#scene.restlessUntilMs);
    this.checks += 1;
    if (seen.holdings !== null) this.withPodResources += 1;
    const doubles = findDoubleBookings(seen, known);
    for (const each of doubles.afterForce) this.afterForce.add(each);
    suspects.note(
      [...seen.running.flatMap(({ gpus }) => gpus), ...seen.checkpoint.flatMap(gpusOfEntry)],
      performance.now(),
    );
    const well = wellGpus(node, plan);
    const mismatches = findMismatches(seen, known, {
      wellGpus: well,
      kubelet,
      withheld: well.filter((gpu) => isWithheld(gpu, suspects, seen.checkpoint)),
    });
    violations.push(
      ...doubles.violations,
      ...this.#ledger.check(seen, known),
      ...this.#patience
        .judge(mismatches, performance.now())
        .map((detail) => ({ rule: 'the witnesses agree', detail })),
      ...this.#judgeFailures(),
      ...(await this.#programs.check()),
      ...agents.violations.splice(0),
    );
    return mismatches;
  }

  #judgeFailures(): readonly Violation[] {
    return [...this.#scene.watch.histories].flatMap(([uid, history]) => {
      const { phase, deleting, name, reason, message } = history.last;
      if (phase !== 'Failed' || this.refused.has(uid)) return [];
      const why = this.#explain(uid, history);
      // A pod that is being ended may fail in doing so.
      if (why === null && deleting) return [];
      this.refused.set(uid, why ?? 'unexplained');
      if (why !== null) return [];
      return [{ rule: 'every refusal is explained', detail: `${name}: ${reason}: ${message}` }];
    });
  }

  #explain(uid: string, { last, wellMs, ranMs }: PodHistory): string | null {
    const { known, disturbances, suspects, watch } = this.#scene;
    const pod = known.get(uid);
    if (pod === undefined) return null;
    const sinceMs = ranMs === null ? pod.createdMs : wellMs;
    const stays =
      pod.shape.endsAfterMs === null &&
      pod.kills.length === 0 &&
      pod.shape.containers.every(({ kind }) => kind !== 'init');
    return explainFailure({
      reason: last.reason,
      message: last.message,
      ran: ranMs !== null,
      needsAdmission: !stays,
      disturbances: disturbances.between(sinceMs, performance.now()),
      signs: findSigns(last.message, {
        histories: watch.histories,
        known,
        wellMs,
        withheldGpus: suspects.gpus.size,
      }),
    });
  }
}
