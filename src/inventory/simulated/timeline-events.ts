import type { DriverEvent } from '../driver.ts';
import type { Scenario } from './assemble-scenario.ts';
import { countEvents, describeEvent, isIncident, nodeAt } from './node-at.ts';
import { toIncident } from './to-signs.ts';

/** How far the timeline of one reading of the scenario has been told. */
interface Progress {
  readonly generation: number;
  readonly happened: number;
}

/** Turns the course of a scenario into what its driver tells, each thing once. */
export class TimelineEvents {
  #told: Progress | null = null;
  /** Ids of incidents, which are told once however often the file is read. */
  readonly #toldIds = new Set<number | string>();

  /**
   * What happened since the last call: incidents first, then one event for all that changed the inventory or the signs.
   * @param generation number of the reading of the scenario
   */
  take(scenario: Scenario, generation: number, elapsedMs: number): DriverEvent[] {
    const happened = countEvents(scenario, elapsedMs);
    const before = this.#told;
    this.#told = { generation, happened };
    const isNew = before?.generation !== generation;
    const incidents = this.#takeIncidents(scenario, isNew ? 0 : before.happened, happened, elapsedMs);
    const told = before ?? { generation, happened: countEvents(scenario, 0) };
    const reason =
      told.generation === generation
        ? describeChanges(scenario, told.happened, happened)
        : 'the scenario file was read anew';
    return reason === '' ? incidents : [...incidents, { kind: 'inventory-changed', reason }];
  }

  /** The scenario cannot be read: the next one that can is a change, whatever it holds. */
  lost(): void {
    this.#told = { generation: -1, happened: 0 };
  }

  #takeIncidents(scenario: Scenario, from: number, to: number, elapsedMs: number): DriverEvent[] {
    const fresh = scenario.timeline
      .slice(from, to)
      .filter(isIncident)
      .filter(({ id }) => id === undefined || !this.#toldIds.has(id));
    if (fresh.length === 0) return [];
    const { gpus } = nodeAt(scenario, elapsedMs);
    for (const { id } of fresh) if (id !== undefined) this.#toldIds.add(id);
    return fresh.map((event) => ({ kind: 'incident', incident: toIncident(event, gpus) }));
  }
}

/** In words; empty for none. */
function describeChanges(scenario: Scenario, from: number, to: number): string {
  const changes = scenario.timeline.slice(from, to).filter((event) => !isIncident(event));
  return changes.map(describeEvent).join(', ');
}
