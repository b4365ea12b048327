import type { Scenario } from './assemble-scenario.ts';
import { changeGpu, isGpuEvent } from './change-gpu.ts';
import { incidentEvents } from './health-schema.ts';
import type { IncidentEvent, ScenarioEvent } from './scenario-schema.ts';
import type { SimulatedGpu } from './simulated-gpu.ts';

/** The scenario's node at a moment. */
export interface NodeState {
  readonly driver: DriverState;
  readonly gpus: readonly SimulatedGpu[];
}

type DriverState =
  | { readonly kind: 'answering' }
  /** There is one and it fails. */
  | { readonly kind: 'failing'; readonly reason: string }
  /** There is none. */
  | { readonly kind: 'missing'; readonly reason: string }
  /** A call does not come back. */
  | { readonly kind: 'hanging' };

/** The node after all events up to the moment, given in milliseconds since the scenario was read. */
export function nodeAt(scenario: Scenario, elapsedMs: number): NodeState {
  const start: NodeState = { driver: { kind: 'answering' }, gpus: scenario.gpus };
  return scenario.timeline.slice(0, countEvents(scenario, elapsedMs)).reduce(applyEvent, start);
}

/** How many events of the timeline have happened by the moment. */
export function countEvents(scenario: Scenario, elapsedMs: number): number {
  return scenario.timeline.filter(({ at }) => at <= elapsedMs).length;
}

/** True for an event that the driver tells as an incident. */
export function isIncident(event: ScenarioEvent): event is IncidentEvent {
  return event.do in incidentEvents;
}

/** An event in words, for the reason of a driver event. */
export function describeEvent(event: ScenarioEvent): string {
  return 'gpu' in event ? `${event.do} GPU ${event.gpu}` : event.do;
}

function applyEvent(node: NodeState, event: ScenarioEvent): NodeState {
  if (isGpuEvent(event)) {
    const gpus = node.gpus.map((gpu, position) => (position === event.gpu ? changeGpu(gpu, event) : gpu));
    return { ...node, gpus };
  }
  switch (event.do) {
    case 'xid':
    case 'ecc':
    case 'unavailable':
      return node;
    case 'fail-driver':
      return { ...node, driver: { kind: 'failing', reason: event.reason ?? 'Unknown Error' } };
    case 'remove-driver':
      return { ...node, driver: { kind: 'missing', reason: event.reason ?? 'Driver Not Loaded' } };
    case 'hang-driver':
      return { ...node, driver: { kind: 'hanging' } };
    case 'restore-driver':
      return { ...node, driver: { kind: 'answering' } };
  }
}
