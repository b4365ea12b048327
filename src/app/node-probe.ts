import type { Clock } from '../lib/clock.ts';
import type { Latest } from '../lib/latest.ts';
import type { InventoryState } from './inventory-loop.ts';
import type { DescribedReading } from './keep-cdi.ts';
import type { Offer } from './offer.ts';
import { judgeReadiness, type Readiness } from './readiness.ts';
import type { ServingState } from './serving-state.ts';

/** What a running node shows to the probes. */
export interface RunningNode {
  readonly inventory: Latest<InventoryState>;
  readonly described: Latest<DescribedReading | null>;
  readonly offers: Latest<readonly Offer[]>;
  readonly state: ServingState;
  readonly rescanIntervalMs: number;
}

/** Answers the readiness probe from memory, over all the configs that the agent runs through in its life. */
export class NodeProbe {
  readonly #clock: Clock;
  #node: RunningNode | null = null;
  #configProblem: string | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A node begins to run; the function that is returned says that it has ended. */
  enter(node: RunningNode): () => void {
    this.#node = node;
    return () => {
      if (this.#node === node) this.#node = null;
    };
  }

  /** The config as written cannot be used; `null` when it can. */
  configProblem(problem: string | null): void {
    this.#configProblem = problem;
  }

  /** Seconds since the inventory in force was read; `null` before the first. */
  snapshotAgeSeconds(): number | null {
    const reading = this.#node?.inventory.value.reading ?? null;
    return reading === null ? null : (this.#clock.now() - reading.readAtMs) / 1000;
  }

  readiness(): Readiness {
    const node = this.#node;
    if (node === null) {
      return {
        ok: false,
        reasons: [this.#configProblem === null ? 'starting' : `config: ${this.#configProblem}`],
      };
    }
    return judgeReadiness({
      nowMs: this.#clock.now(),
      configProblem: this.#configProblem,
      waitingFor: node.state.waitingFor,
      standingBy: node.state.standingBy,
      resources: node.offers.value.map(({ resource }) => ({
        name: resource,
        connected: node.state.isConnected(resource),
        reason: node.state.whyUnregistered(resource),
      })),
      inventory: node.inventory.value,
      cdi: node.described.value?.cdi ?? null,
      rescanIntervalMs: node.rescanIntervalMs,
    });
  }
}
