import { isDeepStrictEqual } from 'node:util';
import type { DeviceNodes } from '../inventory/device-nodes.ts';
import type { Snapshot } from '../inventory/gpu.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import { planResources, type ResourcePlan } from '../resources/plan.ts';
import type { CdiState, DescribedReading } from './described.ts';
import type { InventoryState } from './inventory-loop.ts';
import type { Node } from './node.ts';
import { Offer } from './offer.ts';

export interface KeepOffersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Turns each reading that runtimes know of into the resources that are offered. Ends with the signal. */
export async function keepOffers(node: Node, deps: KeepOffersDeps, signal: AbortSignal): Promise<void> {
  const reportUnreadable = unreadableReporter(deps.log);
  const update = (): void => {
    const described = node.described.value;
    if (described === null) return;
    reportUnreadable(node.inventory.value);
    offerNow(node, described, deps);
  };
  await Promise.all([
    node.described.each(update, signal),
    node.inventory.each(update, signal),
    node.booked.each(() => keepBooked(node, node.offers.value), signal),
  ]);
}

function offerNow(node: Node, { reading, settings, cdi }: DescribedReading, deps: KeepOffersDeps): void {
  const { snapshot, nodes } = reading;
  const { noDriver } = node.inventory.value;
  const all = snapshot.gpus.length + snapshot.unreadable.length;
  const failed = snapshot.gpus.filter((gpu) => gpu.error !== null).length + snapshot.unreadable.length;
  deps.metrics.gpus(noDriver ? { readable: 0, failed: 0 } : { readable: all - failed, failed });

  const facts = { nodes, cdiNames: cdi?.names ?? null, settings: settings.response };
  const fault = cdi?.problem ?? nodeFault(node.inventory.value, nodes, settings);
  const plans = planResources(withCdiFaults(snapshot, cdi), fault);
  const known = new Set(node.offers.value.map((offer) => offer.resource));
  const added = plans
    .filter(({ resource }) => !known.has(resource))
    .map(({ resource }) => new Offer(resource, facts, deps));
  for (const offer of [...node.offers.value, ...added]) {
    offer.update(plans.find(({ resource }) => resource === offer.resource)?.devices ?? noDevices, facts);
  }
  keepBooked(node, added);
  if (added.length > 0) node.offers.set([...node.offers.value, ...added]);
}

/** A GPU that runtimes do not know cannot be used. */
function withCdiFaults(snapshot: Snapshot, cdi: CdiState | null): Snapshot {
  if (cdi === null || cdi.faults.size === 0) return snapshot;
  const gpus = snapshot.gpus.map((gpu) => ({ ...gpu, error: gpu.error ?? cdi.faults.get(gpu.uuid) ?? null }));
  return { ...snapshot, gpus };
}

/** What was booked when the lock was taken stays listed; once for each offer, because later it may be let go. */
function keepBooked({ booked }: Node, offers: readonly Offer[]): void {
  for (const offer of offers) {
    const mine = booked.value.filter(({ resource }) => resource === offer.resource);
    offer.keepHeld(mine.flatMap(({ deviceIds }) => deviceIds));
  }
}

const noDevices: ResourcePlan['devices'] = [];

/** What keeps every GPU of the node from being used, apart from the GPUs themselves. */
function nodeFault(
  { noDriver, failure }: InventoryState,
  nodes: DeviceNodes,
  { imexRequired, response }: DescribedReading['settings'],
): string | null {
  if (noDriver) return `the NVIDIA driver is gone from this node: ${failure ?? 'it does not answer'}`;
  if (!imexRequired) return null;
  const missing = response.imexChannelIds.filter(
    (id) => !nodes.imexChannels.some((channel) => channel.id === id),
  );
  if (missing.length === 0) return null;
  return `imex.required is set and IMEX channel ${missing.join(', ')} has no device node on this node`;
}

/** Says once which GPUs are counted by the driver and cannot even be named, and once when that has changed. */
function unreadableReporter(log: Log): (state: InventoryState) => void {
  let said: readonly object[] = [];
  return ({ reading }) => {
    const unreadable = reading?.snapshot.unreadable ?? [];
    if (isDeepStrictEqual(unreadable, said)) return;
    said = unreadable;
    if (unreadable.length === 0) log.info('every GPU that the driver counts can be read');
    else
      log.warn(
        { gpus: unreadable },
        'GPUs are counted by the driver and cannot be read: they are not offered',
      );
  };
}
