import type { ResponseSettings } from '../allocation/response.ts';
import type { Driver } from '../inventory/driver.ts';
import type { DeviceNodes } from '../inventory/device-nodes.ts';
import type { Snapshot } from '../inventory/gpu.ts';
import type { KubeletObserver } from '../kubelet/handlers.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import { planResources, type ResourcePlan } from '../resources/plan.ts';
import { describeReadings, type CdiSettings } from './describe-readings.ts';
import { emptyInventory, keepInventory } from './inventory-loop.ts';
import type { CdiState, DescribedReading } from './keep-cdi.ts';
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
  readonly cdi: CdiSettings;
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
  const described = new Latest<DescribedReading | null>(null);
  const serving = new Latest(false);
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
  const { rescanIntervalMs } = settings;
  const leave = probe.enter({ inventory, described, offers, state, rescanIntervalMs });
  try {
    await runTogether(
      [
        (until) =>
          keepInventory(
            inventory,
            {
              ...deps,
              rescanIntervalMs,
              devices: { devRoot: settings.devRoot, imexChannelIds: settings.response.imexChannelIds },
              observer: metrics,
            },
            until,
          ),
        (until) => describeReadings(inventory, described, serving, { ...settings, clock, log }, until),
        (until) => keepOffers(described, offers, settings, deps, until),
        (until) => {
          // No pod may be given a name that no runtime knows yet.
          const prepare = async (stop: AbortSignal): Promise<void> => {
            await described.until((value) => value !== null && (value.cdi?.inForce ?? true), stop);
          };
          return serveNode(
            { ...settings, clock, log, observer, offers, state, metrics, serving, prepare },
            until,
          );
        },
      ],
      signal,
    );
  } finally {
    leave();
  }
}

/** Turns each new inventory into the resources that are offered. A resource, once offered, stays. */
async function keepOffers(
  described: Latest<DescribedReading | null>,
  offers: Latest<readonly Offer[]>,
  settings: NodeSettings,
  deps: RunNodeDeps,
  signal: AbortSignal,
): Promise<void> {
  for await (const value of described.values(signal)) {
    if (value === null) continue;
    const { snapshot, nodes } = value.reading;
    const node = { nodes, cdiNames: value.cdi?.names ?? null };
    const failed = snapshot.gpus.filter((gpu) => gpu.error !== null).length + snapshot.unreadable.length;
    deps.metrics.gpus({ readable: snapshot.gpus.length + snapshot.unreadable.length - failed, failed });
    const plans = planResources(withCdiFaults(snapshot, value.cdi), nodeFault(settings, nodes, value.cdi));
    const known = new Map(offers.value.map((offer) => [offer.resource, offer]));
    const added = plans
      .filter(({ resource }) => !known.has(resource))
      .map(({ resource }) => new Offer(resource, node, { ...deps, settings: settings.response }));
    for (const offer of [...offers.value, ...added]) offer.update(devicesOf(offer, plans), node);
    if (added.length > 0) offers.set([...offers.value, ...added]);
  }
}

function devicesOf(offer: Offer, plans: readonly ResourcePlan[]): ResourcePlan['devices'] {
  return plans.find(({ resource }) => resource === offer.resource)?.devices ?? [];
}

/** A GPU that runtimes do not know cannot be used. */
function withCdiFaults(snapshot: Snapshot, cdi: CdiState | null): Snapshot {
  if (cdi === null || cdi.faults.size === 0) return snapshot;
  const gpus = snapshot.gpus.map((gpu) => ({ ...gpu, error: gpu.error ?? cdi.faults.get(gpu.uuid) ?? null }));
  return { ...snapshot, gpus };
}

/** What keeps every GPU of the node from being used, apart from the GPUs themselves. */
function nodeFault(settings: NodeSettings, nodes: DeviceNodes, cdi: CdiState | null): string | null {
  if (cdi !== null && cdi.problem !== null) return cdi.problem;
  if (!settings.imexRequired) return null;
  const missing = settings.response.imexChannelIds.filter(
    (id) => !nodes.imexChannels.some((node) => node.id === id),
  );
  if (missing.length === 0) return null;
  return `imex.required is set and IMEX channel ${missing.join(', ')} has no device node on this node`;
}
