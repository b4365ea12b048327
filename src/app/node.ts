import type { HealthCondition } from '../cluster/health-condition.ts';
import type { LabelSink } from '../cluster/label-sink.ts';
import type { NodeMark } from '../cluster/node-mark.ts';
import { defaultHealthRules, type HealthRules } from '../health/facts.ts';
import type { Snapshot } from '../inventory/gpu.ts';
import type { CheckpointEntry } from '../kubelet/checkpoint.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { DescribedReading } from './cdi/described.ts';
import { emptyInventory, type InventoryState } from './driver/inventory-loop.ts';
import type { ResourcePlan } from '../resources/plan.ts';
import type { ResourceSettings } from '../resources/resource-settings.ts';
import type { Remarks } from '../resources/remark.ts';
import { Books } from './books/books.ts';
import { noDriverRelease, type DriverRelease } from './driver/driver-release.ts';
import { NodeHealth } from './health/node-health.ts';
import type { Offered } from './offers/offer.ts';
import { ServingState } from './serving/serving-state.ts';

/** What the agent knows and offers. It outlives every config: an edit must not forget what is held or listed. */
export interface Node {
  readonly inventory: Latest<InventoryState>;
  /** What is held against the GPUs. */
  readonly health: NodeHealth;
  /** That an admin wants the driver left alone. */
  readonly driverRelease: DriverRelease;
  /** The reading that is offered; `null` before the first. It follows the inventory as soon as runtimes know of it. */
  readonly described: Latest<DescribedReading | null>;
  /** The resources in force; a resource, once offered, stays. */
  readonly offers: Latest<readonly Offered[]>;
  /** What is held on the GPUs. */
  readonly books: Books;
  /** Counts the times that devices left a list: what they stood in the way of can be handed out. */
  readonly departures: Latest<number>;
  /** What could not be offered as asked, and what of the config means nothing here; `null` before the first plan. */
  readonly remarks: Latest<Remarks | null>;
  /** What the last plan was made from and came to; `null` before the first. */
  readonly planned: Latest<PlannedNode | null>;
  /** What the kubelet had booked when the serving lock was taken. */
  readonly booked: Latest<readonly CheckpointEntry[]>;
  /** Why nothing can be kept for the next run of the agent; `null` when it can. */
  readonly stateTrouble: Latest<string | null>;
  /** Why the kubelet cannot be asked what containers hold; `null` when it can, or need not be. */
  readonly listTrouble: Latest<string | null>;
  /** Whether this agent is the one that serves the node. */
  readonly holdsLock: Latest<boolean>;
  /** Whether this agent serves the node and knows what the one before it held against GPUs. */
  readonly knowsHealth: Latest<boolean>;
  readonly serving: ServingState;
  /** Whether another agent was ready to take over when this one ceased to serve. */
  readonly hasSuccessor: Latest<boolean>;
  /** Where this agent has labelled the node; `null` while it has not. */
  readonly labelSink: Latest<LabelSink | null>;
  /** The node's condition, where this agent has written that all GPUs are well; `null` where it has not. */
  readonly wellCondition: Latest<NodeMark<HealthCondition> | null>;
}

/** A plan with what it was made from. */
export interface PlannedNode {
  readonly snapshot: Snapshot;
  readonly resources: readonly ResourcePlan[];
  readonly settings: ResourceSettings;
}

/**
 * A node of which nothing is known yet.
 * @param healthRules what the config says of health, as it is now
 */
export function emptyNode(clock: Clock, healthRules: () => HealthRules = () => defaultHealthRules): Node {
  return {
    inventory: emptyInventory(),
    health: new NodeHealth(healthRules),
    driverRelease: noDriverRelease(),
    described: new Latest<DescribedReading | null>(null),
    offers: new Latest<readonly Offered[]>([]),
    books: new Books(clock),
    departures: new Latest(0),
    remarks: new Latest<Remarks | null>(null),
    booked: new Latest<readonly CheckpointEntry[]>([]),
    stateTrouble: new Latest<string | null>(null),
    listTrouble: new Latest<string | null>(null),
    holdsLock: new Latest(false),
    knowsHealth: new Latest(false),
    serving: new ServingState(),
    planned: new Latest<PlannedNode | null>(null),
    hasSuccessor: new Latest(false),
    labelSink: new Latest<LabelSink | null>(null),
    wellCondition: new Latest<NodeMark<HealthCondition> | null>(null),
  };
}
