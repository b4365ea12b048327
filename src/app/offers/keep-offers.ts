import { isDeepStrictEqual } from 'node:util';
import { isCdiOnly } from '../../allocation/response.ts';
import { verdictFaults } from '../../health/verdict-faults.ts';
import type { DeviceNodes } from '../../inventory/device-nodes.ts';
import type { Snapshot } from '../../inventory/gpu.ts';
import type { CheckpointEntry } from '../../kubelet/checkpoint.ts';
import type { Clock } from '../../lib/clock.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../metrics/collect.ts';
import { findBooked } from '../../resources/booked-device.ts';
import { parseDeviceId } from '../../resources/device-id.ts';
import { blockOverlapping } from '../../resources/overlap.ts';
import { planResources, type NodePlan, type PlanCircumstances } from '../../resources/plan.ts';
import type { ResourceSettings } from '../../resources/resource-settings.ts';
import { isResourceName } from '../../lib/qualified-name.ts';
import { joinRemarks } from '../../resources/remark.ts';
import { whyGone } from '../../resources/why-gone.ts';
import type { DescribedReading } from '../cdi/described.ts';
import type { InventoryState } from '../driver/inventory-loop.ts';
import type { Node, PlannedNode } from '../node.ts';
import { MemoryOffer } from './memory-offer.ts';
import { planNodeMemory, withoutMemoryOnly, type NodeMemory } from './memory-terms.ts';
import { Offer } from './offer.ts';
import { PlanReport } from './plan-report.ts';
import { Preference } from './preference.ts';
import { runTogether } from '../supervise.ts';

export interface KeepOffersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Turns each reading that runtimes know of into the resources that are offered. Ends with the signal. */
export async function keepOffers(node: Node, deps: KeepOffersDeps, signal: AbortSignal): Promise<void> {
  const wake = new Latest(0);
  const tell = (): void => wake.set(wake.value + 1);
  const planner = new OfferPlanner(node, deps);
  const show = afterAnswer(() => {
    for (const offer of node.offers.value) offer.show();
    // Books that were opened late find an offer of memory missing.
    if (planner.lacksMemory) tell();
  });
  const forget = node.books.onChange(show.soon);
  await runTogether(
    [
      (until) => node.described.each(tell, until),
      (until) => node.inventory.each(tell, until),
      (until) => node.booked.each(tell, until),
      (until) =>
        node.health.verdicts.each(() => {
          if (planner.hasOtherVerdicts) tell();
        }, until),
      (until) => node.departures.each(tell, until),
      (until) => wake.each(() => planner.plan(), until),
    ],
    signal,
  ).finally(() => {
    forget();
    show.never();
  });
}

/** An answer is on its way after a few turns of the event loop, the last for its status; a list of thousands of units takes longer to make. */
const answerSentMs = 3;

/** Does something once the answer that brought it about is through, however often it is asked for: it does not wait for long lists. */
function afterAnswer(act: () => void): { readonly soon: () => void; readonly never: () => void } {
  let due: NodeJS.Timeout | null = null;
  return {
    soon() {
      due ??= setTimeout(() => {
        due = null;
        act();
      }, answerSentMs);
    },
    never() {
      if (due !== null) clearTimeout(due);
    },
  };
}

/** Plans the node anew and hands each offer its part. */
class OfferPlanner {
  readonly #node: Node;
  readonly #deps: KeepOffersDeps;
  readonly #report: PlanReport;
  /** The kubelet's records that each offer has been told of: once, because later it may let go of what is in them. */
  readonly #toldOf = new WeakMap<Offer, readonly CheckpointEntry[]>();
  /** The kubelet's records that the last plan was made with. */
  #planned: readonly CheckpointEntry[] | null = null;
  readonly #preference = new Preference();
  #last: { readonly input: unknown; readonly plan: NodePlan } | null = null;
  #told: readonly unknown[] = [];
  #verdicts: ReadonlyMap<string, string> = noFaults;
  #whole: readonly Offer[] = [];
  #memory: MemoryOffer | null = null;

  constructor(node: Node, deps: KeepOffersDeps) {
    this.#node = node;
    this.#deps = deps;
    this.#report = new PlanReport(deps.log, deps.metrics);
  }

  /** Whether what is held against GPUs makes other devices Unhealthy than when the last plan was made. */
  get hasOtherVerdicts(): boolean {
    const { described, health } = this.#node;
    if (described.value === null) return false;
    return !isDeepStrictEqual(
      verdictFaults(health.verdicts.value, described.value.reading.snapshot),
      this.#verdicts,
    );
  }

  get lacksMemory(): boolean {
    return this.#memory === null && this.#node.books.areNeeded;
  }

  plan(): void {
    const { described, inventory, booked } = this.#node;
    if (described.value === null) return;
    const { reading, settings, cdi } = described.value;
    const { snapshot, nodes } = reading;
    this.#report.inventory(inventory.value, snapshot);
    this.#verdicts = verdictFaults(this.#node.health.verdicts.value, snapshot);
    const circumstances = {
      nodeFault: cdi?.problem ?? nodeFault(inventory.value, nodes, settings),
      faults: new Map([...(cdi?.faults ?? noFaults), ...this.#verdicts]),
      profiles: this.#last?.plan.profiles ?? new Map(),
      held: booked.value === this.#planned ? nobody : heldHardware(booked.value),
    };
    const plan = this.#plan(snapshot, settings.resources, circumstances);
    this.#planned = booked.value;
    const memory = planNodeMemory(settings.memory, {
      snapshot,
      resources: plan.resources,
      nodeFault: circumstances.nodeFault,
      faults: circumstances.faults,
      needsDeviceNode:
        settings.response.passDeviceSpecs && !isCdiOnly(settings.response.deviceListStrategies),
    });
    const remarks = joinRemarks(plan, memory.remarks);
    this.#report.plan(remarks);
    this.#node.remarks.set(remarks);
    const resources = withoutMemoryOnly(plan.resources, memory.terms.plan.memoryOnly);
    this.#tell(plan, { snapshot, resources, settings: settings.resources });
    this.#offer({ ...plan, resources }, described.value);
    this.#node.books.setTerms(memory.terms);
    this.#offerMemory(memory, described.value);
  }

  /** Tells of a plan that is new, or that is made of another driver's GPUs. */
  #tell(plan: NodePlan, planned: PlannedNode): void {
    const { driverVersion, cudaVersion } = planned.snapshot;
    const told = [plan, driverVersion, cudaVersion, ...planned.resources.map(({ resource }) => resource)];
    if (isDeepStrictEqual(told.slice(1), this.#told.slice(1)) && told[0] === this.#told[0]) return;
    this.#told = told;
    this.#node.planned.set(planned);
  }

  /** Memory is offered from the first GPU on that has some, or while somebody holds some from before. */
  #offerMemory({ gpus }: NodeMemory, { reading, settings, cdi }: DescribedReading): void {
    const { books, offers } = this.#node;
    const facts = {
      nodes: reading.nodes,
      cdiNames: cdi?.names ?? null,
      settings: settings.response,
      gpus,
      frameworkEnv: settings.memory.frameworkEnv,
    };
    if (this.#memory !== null) return this.#memory.update(facts);
    if (!books.areNeeded) return;
    this.#memory = new MemoryOffer(books, facts, { ...this.#deps, books });
    this.#memory.show();
    offers.set([...offers.value, this.#memory]);
  }

  /** The plan before where nothing is new: with thousands of time slices a plan takes a while, and the GPUs are read every few seconds. */
  #plan(snapshot: Snapshot, settings: ResourceSettings, circumstances: PlanCircumstances): NodePlan {
    const gpus = snapshot.gpus.map((gpu) => ({ ...gpu, memoryUsedMiB: null }));
    const input = { gpus, settings, circumstances };
    if (this.#last !== null && isDeepStrictEqual(input, this.#last.input)) return this.#last.plan;
    const before = this.#last?.plan.resources ?? [];
    this.#last = { input, plan: planResources(snapshot, settings, circumstances, before) };
    return this.#last.plan;
  }

  #offer(plan: NodePlan, { reading, settings, cdi }: DescribedReading): void {
    const { snapshot, nodes } = reading;
    const facts = { nodes, cdiNames: cdi?.names ?? null, settings: settings.response };
    const before = this.#whole;
    const known = new Set<string>(before.map(({ resource }) => resource));
    const wanted = [...plan.resources.map(({ resource }) => resource), ...this.#inherited(reading)];
    const added = [...new Set(wanted)]
      .filter((resource) => !known.has(resource))
      .map((resource) => new Offer(resource, facts, { ...this.#deps, books: this.#node.books }));
    const offers = [...before, ...added].map((offer) => ({
      offer,
      planned: plan.resources.find(({ resource }) => resource === offer.resource) ?? nothing,
    }));
    const booked = this.#node.booked.value;
    for (const { offer } of offers) {
      if (this.#toldOf.get(offer) === booked) continue;
      this.#toldOf.set(offer, booked);
      const mine = booked.filter(({ resource }) => resource === offer.resource);
      const ids = mine.flatMap(({ deviceIds }) => deviceIds);
      offer.keepHeld(findBooked(ids, snapshot).map(({ device }) => device));
    }
    const preference = this.#preference.of(snapshot.gpus, settings.sharedDevicesPolicy);
    const left = offers.flatMap(({ offer, planned }) => offer.leftBehind(planned.devices));
    for (const { offer, planned } of offers) {
      const devices = blockOverlapping(planned.devices, left);
      offer.update({ ...planned, devices, whyGone: whyGone(snapshot), preference }, facts);
    }
    if (added.length === 0) return;
    this.#whole = [...before, ...added];
    this.#node.offers.set([...this.#whole, ...(this.#memory === null ? [] : [this.#memory])]);
  }

  /** Resources that the plan has not, of which pods hold GPUs or MIG instances of this node. */
  #inherited({ snapshot }: DescribedReading['reading']) {
    return this.#node.booked.value
      .filter(({ deviceIds }) => findBooked(deviceIds, snapshot).some(({ isKnown }) => isKnown))
      .map(({ resource }) => resource)
      .filter((resource) => isResourceName(resource));
  }
}

/** UUIDs of which something is booked. */
function heldHardware(booked: readonly CheckpointEntry[]): ReadonlySet<string> {
  return new Set(booked.flatMap(({ deviceIds }) => deviceIds.map((id) => parseDeviceId(id).uuid)));
}

const nobody: ReadonlySet<string> = new Set();
const noFaults: ReadonlyMap<string, string> = new Map();
const nothing = { devices: [], oneShareOnly: false };

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
