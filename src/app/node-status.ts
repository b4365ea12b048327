import { describeNode } from '../allocation/status/describe-node.ts';
import type { AgentStatus, InventoryStatus, NodeStatus } from '../allocation/status/node-status.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import { version } from '../lib/version.ts';
import { describeHealth } from './health/health-status.ts';
import type { Node } from './node.ts';
import { isStale } from './readiness.ts';

/** What the node offers and who holds it, from memory. */
export function readNodeStatus(node: Node, config: Config, clock: Clock): NodeStatus {
  const { books, offers, serving, inventory } = node;
  const nowMs = clock.now();
  return describeNode({
    agent: describeAgent(node),
    inventory: describeInventory(node, config.flags.agent.rescanIntervalMs, nowMs),
    snapshot: inventory.value.reading?.snapshot ?? null,
    health: describeHealth(node.health.verdicts.value),
    offer: books.offer,
    isTracked: books.areNeeded,
    resources: offers.value.map((offer) => ({
      resource: offer.resource,
      isConnected: serving.isConnected(offer.resource),
      devices: offer.devices(),
    })),
    nowMs,
  });
}

function describeAgent({ holdsLock, serving }: Node): AgentStatus {
  if (holdsLock.value) return { version, role: 'serving', reason: null };
  const role = serving.standingBy ? 'standby' : 'waiting';
  return { version, role, reason: serving.waitingFor ?? 'no longer serving' };
}

function describeInventory(
  { inventory, driverRelease }: Node,
  rescanIntervalMs: number,
  nowMs: number,
): InventoryStatus {
  const { reading, failure } = inventory.value;
  const ageMs = reading === null ? null : nowMs - reading.readAtMs;
  return {
    ageSeconds: ageMs === null ? null : Math.round(ageMs) / 1000,
    isStale: ageMs !== null && isStale(ageMs, rescanIntervalMs),
    failure,
    driverClosedUntil:
      driverRelease.isClosed.value && driverRelease.until.value !== null
        ? new Date(driverRelease.until.value).toISOString()
        : null,
    unreadable: (reading?.snapshot.unreadable ?? []).map(({ index, error }) => ({ index, error })),
  };
}
