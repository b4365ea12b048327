import type { ResponseSettings } from '../allocation/response.ts';
import type { Driver } from '../inventory/driver.ts';
import type { DeviceNodes } from '../inventory/device-nodes.ts';
import type { KubeletObserver } from '../kubelet/handlers.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import { planResources, type ResourcePlan } from '../resources/plan.ts';
import { emptyInventory, keepInventory, type InventoryState } from './inventory-loop.ts';
import { Offer } from './offer.ts';
import type { NodeProbe } from './node-probe.ts';
import { serveNode } from './serve-node.ts';
import { ServingState } from './serving-state.ts';
import { runTogether } from './supervise.ts';

/** The part of the config that one run of the node depends on. */
export interface NodeSettings {
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
  readonly rescanIntervalMs: number;
  readonly devRoot: string;
  readonly imexRequired: boolean;
  readonly response: ResponseSettings;
}

export interface RunNodeDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly probe: NodeProbe;
}

/** Reads the GPUs and serves them to the kubelet under one config, until the signal aborts. */
export async function runNode(settings: NodeSettings, deps: RunNodeDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, metrics, probe } = deps;
  const inventory = emptyInventory();
  const offers = new Latest<readonly Offer[]>([]);
  const state = new ServingState();
  const observer: KubeletObserver = {
    registration: (resource, result) => metrics.registration(resource, result),
    connected(resource, connected) {
      state.connected(resource, connected);
      metrics.connected(resource, connected);
    },
    unregistered: (resource, reason) => state.unregistered(resource, reason),
    rpc: (method, code, seconds) => metrics.rpc(method, code, seconds),
  };
  const leave = probe.enter({ inventory, offers, state, rescanIntervalMs: settings.rescanIntervalMs });
  try {
    await runTogether(
      [
        (until) =>
          keepInventory(
            inventory,
            {
              ...deps,
              rescanIntervalMs: settings.rescanIntervalMs,
              devices: { devRoot: settings.devRoot, imexChannelIds: settings.response.imexChannelIds },
              observer: metrics,
            },
            until,
          ),
        (until) => keepOffers(inventory, offers, settings, deps, until),
        (until) => serveNode({ ...settings, clock, log, observer, offers, state, metrics }, until),
      ],
      signal,
    );
  } finally {
    leave();
  }
}

/** Turns each new inventory into the resources that are offered. A resource, once offered, stays. */
async function keepOffers(
  inventory: Latest<InventoryState>,
  offers: Latest<readonly Offer[]>,
  settings: NodeSettings,
  deps: RunNodeDeps,
  signal: AbortSignal,
): Promise<void> {
  for await (const { reading } of inventory.values(signal)) {
    if (reading === null) continue;
    const { snapshot, nodes } = reading;
    const failed = snapshot.gpus.filter((gpu) => gpu.error !== null).length + snapshot.unreadable.length;
    deps.metrics.gpus({ readable: snapshot.gpus.length + snapshot.unreadable.length - failed, failed });
    const plans = planResources(snapshot, nodeFault(settings, nodes));
    const known = new Map(offers.value.map((offer) => [offer.resource, offer]));
    const added = plans
      .filter(({ resource }) => !known.has(resource))
      .map(({ resource }) => new Offer(resource, nodes, { ...deps, settings: settings.response }));
    for (const offer of [...offers.value, ...added]) offer.update(devicesOf(offer, plans), nodes);
    if (added.length > 0) offers.set([...offers.value, ...added]);
  }
}

function devicesOf(offer: Offer, plans: readonly ResourcePlan[]): ResourcePlan['devices'] {
  return plans.find(({ resource }) => resource === offer.resource)?.devices ?? [];
}

/** What keeps every GPU of the node from being used, apart from the GPUs themselves. */
function nodeFault(settings: NodeSettings, nodes: DeviceNodes): string | null {
  if (!settings.imexRequired) return null;
  const missing = settings.response.imexChannelIds.filter(
    (id) => !nodes.imexChannels.some((node) => node.id === id),
  );
  if (missing.length === 0) return null;
  return `imex.required is set and IMEX channel ${missing.join(', ')} has no device node on this node`;
}
