import { isOrphan } from '../allocation/holdings/orphans.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Latest } from '../lib/latest.ts';
import type { Node } from './node.ts';
import { judgeReadiness, type Readiness } from './readiness.ts';

/** Answers the readiness probe from memory. */
export class NodeProbe {
  readonly #node: Node;
  readonly #config: Latest<Config>;
  readonly #usable: Latest<boolean>;
  readonly #clock: Clock;
  #configProblem: string | null = null;
  #configNotes: readonly string[] = [];

  /** @param usable whether there has been a good config */
  constructor(node: Node, config: Latest<Config>, usable: Latest<boolean>, clock: Clock) {
    this.#node = node;
    this.#config = config;
    this.#usable = usable;
    this.#clock = clock;
  }

  /** The config as written cannot be used; `null` when it can. */
  configProblem(problem: string | null): void {
    this.#configProblem = problem;
  }

  /** What an admin may want to know of the config in force, one sentence each. */
  configNotes(notes: readonly string[]): void {
    this.#configNotes = notes;
  }

  /** Seconds since the inventory in force was read; `null` before the first. */
  snapshotAgeSeconds(): number | null {
    const { reading } = this.#node.inventory.value;
    return reading === null ? null : (this.#clock.now() - reading.readAtMs) / 1000;
  }

  readiness(): Readiness {
    const { inventory, health, described, offers, remarks, serving, stateTrouble, listTrouble, books } =
      this.#node;
    if (!this.#usable.value) {
      const reason = this.#configProblem === null ? 'starting' : `config: ${this.#configProblem}`;
      return { ok: false, reasons: [reason] };
    }
    const { standingBy } = serving;
    return judgeReadiness({
      nowMs: this.#clock.now(),
      configProblem: this.#configProblem,
      waitingFor: serving.waitingFor,
      standingBy,
      resources: offers.value.map(({ resource }) => ({
        name: resource,
        connected: serving.isConnected(resource),
        reason: serving.whyUnregistered(resource),
      })),
      inventory: inventory.value,
      health: health.verdicts.value.gpus,
      driverClosed: this.#node.driverRelease.isClosed.value,
      degradations: (remarks.value?.degradations ?? []).map(({ message }) => message),
      cdi: described.value?.cdi ?? null,
      orphans: books.areNeeded ? books.holdings.entries.filter(isOrphan).length : 0,
      memoryPause: standingBy ? null : books.whyPaused,
      troubles: [...this.#configNotes, listTrouble.value, stateTrouble.value].filter(
        (trouble) => trouble !== null,
      ),
      rescanIntervalMs: this.#config.value.flags.agent.rescanIntervalMs,
    });
  }
}
