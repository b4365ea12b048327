import type { Snapshot } from '../../inventory/gpu.ts';
import { dampedLimit } from '../damping.ts';
import { useOfGpus, type GpuUse } from '../holdings/gpu-use.ts';
import { gpusOf, isMemory } from '../holdings/node-gpus.ts';
import {
  capOf,
  pauseOf,
  promisedNow,
  roomsOf,
  type MemoryOffer,
  type MemoryRoom,
} from '../memory/memory-view.ts';
import { describeGpu, type GpuHealthStatus } from './gpu-status.ts';
import { describeHolder } from './holder-status.ts';
import type {
  AgentStatus,
  HoldingsStatus,
  InventoryStatus,
  MemoryStatus,
  NodeStatus,
} from './node-status.ts';
import { countUnhealthy, type OfferedDevice } from './offered-device.ts';

/** Everything that a status is made from. */
export interface NodeFacts {
  readonly agent: AgentStatus;
  readonly inventory: InventoryStatus;
  /** `null` before the first reading. */
  readonly snapshot: Snapshot | null;
  /** How GPUs are, by UUID. */
  readonly health: ReadonlyMap<string, GpuHealthStatus>;
  readonly offer: MemoryOffer;
  /** Whether what is held is kept account of: nobody needs that on a node that offers no memory. */
  readonly isTracked: boolean;
  readonly resources: readonly {
    readonly resource: string;
    readonly isConnected: boolean;
    readonly devices: readonly OfferedDevice[];
  }[];
  /** Milliseconds of the clock of the holdings. */
  readonly nowMs: number;
}

/** What memory's figures are made from, beside the facts. */
interface MemoryFacts {
  readonly uses: ReadonlyMap<string, GpuUse>;
  readonly rooms: readonly MemoryRoom[];
  readonly isTracked: boolean;
}

/** What a node offers and who holds it. */
export function describeNode(facts: NodeFacts): NodeStatus {
  const { agent, inventory, snapshot, offer, resources } = facts;
  const holdings = describeHoldings(facts);
  const isTracked = holdings.state !== 'not-tracked';
  const uses = useOfGpus(offer.holdings.entries, offer.node);
  const rooms = roomsOf(offer, uses);
  const roomOf = new Map(rooms.map((room) => [room.gpu.uuid, room]));
  const byGpu = resources.map(({ resource, devices }) => ({
    resource,
    devices: Map.groupBy(devices, ({ gpu }) => gpu),
  }));
  const gpus = (snapshot?.gpus ?? []).map((gpu) =>
    describeGpu(gpu, {
      offer,
      room: roomOf.get(gpu.uuid) ?? null,
      use: uses.get(gpu.uuid) ?? null,
      health: facts.health.get(gpu.uuid) ?? null,
      isTracked,
      devices: new Map(
        byGpu.flatMap(({ resource, devices }) => {
          const mine = devices.get(gpu.uuid);
          return mine === undefined ? [] : [[resource, mine] as const];
        }),
      ),
    }),
  );
  return {
    format: 1,
    agent,
    inventory,
    holdings,
    resources: resources.map(({ resource, isConnected, devices }) => {
      const healthy = devices.filter(({ unhealthy }) => unhealthy === null).length;
      const unhealthy = devices.length - healthy;
      return { resource, isConnected, healthy, unhealthy, withheld: countUnhealthy(devices) };
    }),
    memory: describeMemory(facts, { uses, rooms, isTracked }),
    gpus: gpus.toSorted((one, other) => one.index - other.index),
    missing: findMissing(facts),
    elsewhere: isTracked ? findElsewhere(facts) : [],
  };
}

function describeHoldings({ agent, isTracked, offer }: NodeFacts): HoldingsStatus {
  const { books, started } = offer.holdings;
  if (agent.role === 'standby')
    return { state: 'not-tracked', reason: 'only the agent that serves the node knows' };
  if (agent.role === 'waiting')
    return { state: 'not-tracked', reason: 'this agent does not serve the node yet' };
  if (!isTracked)
    return {
      state: 'not-tracked',
      reason: 'no GPU memory is offered, so only the kubelet knows',
    };
  if (books === 'unreadable')
    return { state: 'unreadable', reason: "the kubelet's record of what is held cannot be read" };
  if (!started) return { state: 'starting', reason: 'the kubelet has not confirmed yet what is held' };
  return { state: 'known', reason: null };
}

function describeMemory(
  { offer, nowMs }: NodeFacts,
  { uses, rooms, isTracked }: MemoryFacts,
): MemoryStatus | null {
  const { plan, holdings, node, fit, damping } = offer;
  if (plan.units === 0 && !holdings.entries.some((entry) => isMemory(entry, node))) return null;
  const limit = dampedLimit(damping, nowMs);
  return {
    unitMiB: plan.unitMiB,
    enforcement: 'advisory',
    units: plan.units,
    heldUnits: isTracked ? [...uses.values()].reduce((sum, { units }) => sum + units, 0) : null,
    promisedUnits: isTracked ? promisedNow(offer, nowMs, rooms) : null,
    largestHole: isTracked ? Math.max(0, ...rooms.map(({ hole }) => hole)) : null,
    maxPerContainer: capOf(offer),
    fit,
    paused: isTracked ? pauseOf(offer) : null,
    heldBackTo: fit !== 'sum' && Number.isFinite(limit) ? limit : null,
  };
}

function findMissing({ health, snapshot }: NodeFacts): NodeStatus['missing'] {
  const named = new Set((snapshot?.gpus ?? []).map(({ uuid }) => uuid));
  return [...health]
    .filter(([uuid, { state }]) => !named.has(uuid) && state === 'unhealthy')
    .map(([uuid, each]) => ({ uuid, health: each }));
}

function findElsewhere({ offer: { holdings, node }, snapshot }: NodeFacts): NodeStatus['elsewhere'] {
  const known = new Set((snapshot?.gpus ?? []).map(({ uuid }) => uuid));
  return holdings.entries
    .filter((entry) => !gpusOf(entry, node).some((uuid) => known.has(uuid)))
    .map((entry) => describeHolder(entry, null, node));
}
