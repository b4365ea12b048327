import { randomUUID } from 'node:crypto';
import type { CdiNames } from '../../allocation/cdi/cdi-names.ts';
import { decide } from '../../allocation/decide.ts';
import { preparePreferred, type Prefer, type PreferenceRules } from '../../allocation/preferred/preferred.ts';
import {
  buildResponse,
  isCdiOnly,
  type ContainerResponse,
  type ResponseSettings,
} from '../../allocation/response.ts';
import { showOthers, type WithheldReason } from '../../allocation/shown-devices.ts';
import { spareUnhealthy } from '../../allocation/preferred/spare-unhealthy.ts';
import type { OfferedDevice } from '../../allocation/status/offered-device.ts';
import type { DeviceNodes } from '../../inventory/device-nodes.ts';
import type { ListedDevice, PreferenceRequest } from '../../kubelet/contract.ts';
import type { ResourceHandlers } from '../../kubelet/handlers.ts';
import type { Clock } from '../../lib/clock.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../metrics/collect.ts';
import type { LeftDevice } from '../../resources/overlap.ts';
import type { ResourcePlan } from '../../resources/plan.ts';
import type { PlannedDevice } from '../../resources/planned-device.ts';
import type { ResourceName } from '../../resources/resource-name.ts';
import type { Books } from '../books/books.ts';
import { hasSameIds, nextRoster, type RosterDevice } from '../../resources/roster.ts';
import { refuse } from './refuse.ts';
import { reportFaults } from './report-faults.ts';
import { countHealth, isSameList, listed } from './listed.ts';

/** How long after an Allocate its ids count as in use, whatever the kubelet's records say. */
export const recentMs = 5000;

export interface OfferDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'allocation' | 'refusal' | 'devices'>;
  readonly books: Books;
}

/** What answers depend on; it changes as a whole. */
export interface NodeFacts {
  readonly settings: ResponseSettings;
  readonly nodes: DeviceNodes;
  /** `null` where no strategy goes by CDI names. */
  readonly cdiNames: CdiNames | null;
}

/** A resource as everything around it knows it. */
export interface Offered extends ResourceHandlers {
  /** Ids that are listed Unhealthy until nobody uses them, and since when (monotonic milliseconds). */
  readonly leaving: readonly { readonly id: string; readonly sinceMs: number }[];
  /** Each listed device, and why it is not Healthy. */
  devices(): readonly OfferedDevice[];
  /** Lists by the books as they are. */
  show(): void;
  /** Sends the same list once more: the kubelet then writes its records afresh. */
  resend(): void;
  /** Drops the devices that have waited long enough and that nobody holds. */
  letGo(held: ReadonlySet<string>): void;
}

/** What an offer is to be from now on. */
export interface OfferPlan extends Pick<ResourcePlan, 'devices' | 'oneShareOnly'> {
  /** Says why a device that is listed and no longer planned has gone. */
  readonly whyGone: (device: PlannedDevice) => string;
  /** How devices are chosen for a container. The same object as before where nothing of it has changed. */
  readonly preference: PreferenceRules;
}

const everything = { has: () => true };
const noFaults: ReadonlyMap<string, string> = new Map();

/** One resource as it is offered now: its list for the kubelet, and the answers to requests, all from memory. */
export class Offer implements Offered {
  readonly resource: ResourceName;
  readonly kubeletChooses = true;
  readonly list = new Latest<readonly ListedDevice[]>([]);
  readonly #deps: OfferDeps;
  readonly #recentlyNamed = new Map<string, number>();
  #roster: readonly RosterDevice[] = [];
  /** Asked for every second; made once for each list. */
  #leaving: { readonly of: readonly RosterDevice[]; readonly ids: Offered['leaving'] } = { of: [], ids: [] };
  #node: NodeFacts;
  #oneShareOnly = false;
  /** What the list was made from; `null` when it has to be made anew. */
  #planned: readonly PlannedDevice[] | null = null;
  #rules: PreferenceRules | null = null;
  /** Prepared for the list and the rules as they are, when it is first asked for. */
  #prefer: Prefer | null = null;
  /** Ids, by the newest list; made when it is first asked for. */
  #unhealthy: ReadonlySet<string> | null = null;

  constructor(resource: ResourceName, node: NodeFacts, deps: OfferDeps) {
    this.resource = resource;
    this.#node = node;
    this.#deps = deps;
  }

  /** Ids that are listed Unhealthy until nobody uses them, and since when (monotonic milliseconds). */
  get leaving(): Offered['leaving'] {
    const { of, ids } = this.#leaving;
    if (of === this.#roster) return ids;
    const leaving = this.#roster.flatMap(({ id, leavingSinceMs }) =>
      leavingSinceMs === null ? [] : [{ id, sinceMs: leavingSinceMs }],
    );
    this.#leaving = { of: this.#roster, ids: leaving };
    return leaving;
  }

  /** Listed devices that a pod may hold and that a plan no longer has. */
  leftBehind(planned: readonly PlannedDevice[]): readonly LeftDevice[] {
    if (hasSameIds(planned, this.#roster)) return [];
    const staying = new Set(planned.map(({ id }) => id));
    return this.#roster
      .filter(({ id, mayBeHeld }) => mayBeHeld && !staying.has(id))
      .map((device) => ({ ...device, resource: this.resource }));
  }

  /**
   * Lists, Unhealthy, what a pod holds and no list has: what went while no agent ran, or what an agent with another config offered.
   * They leave as every other device that is gone. Nothing is published before the next `update`.
   */
  keepHeld(held: readonly PlannedDevice[]): void {
    this.#planned = null;
    const ids = new Set(held.map(({ id }) => id));
    const known = new Set(this.#roster.map((device) => device.id));
    const leavingSinceMs = this.#deps.clock.now();
    const unlisted = new Map(held.filter(({ id }) => !known.has(id)).map((device) => [device.id, device]));
    this.#roster = [
      ...this.#roster.map((device) => ({ ...device, mayBeHeld: device.mayBeHeld || ids.has(device.id) })),
      ...[...unlisted.values()].map((device) => ({ ...device, leavingSinceMs, mayBeHeld: true })),
    ];
  }

  /** Takes over a new plan. What is no longer planned stays listed until `letGo`. The same devices once more cost nothing. */
  update({ devices, oneShareOnly, whyGone, preference }: OfferPlan, node: NodeFacts): void {
    if (preference !== this.#rules) this.#prefer = null;
    this.#rules = preference;
    this.#node = node;
    this.#oneShareOnly = oneShareOnly;
    if (devices === this.#planned) return;
    this.#planned = devices;
    const nowMs = this.#deps.clock.now();
    this.#publish(nextRoster(this.#roster, devices, { nowMs, inUse: everything, whyGone }));
  }

  /** Drops the devices that have waited long enough and that nobody holds. */
  letGo(held: ReadonlySet<string>): void {
    const nowMs = this.#deps.clock.now();
    const staying = this.#roster.filter((device) => device.leavingSinceMs === null);
    for (const [id, namedMs] of this.#recentlyNamed)
      if (nowMs - namedMs >= recentMs) this.#recentlyNamed.delete(id);
    const inUse = new Set([...held, ...this.#recentlyNamed.keys()]);
    this.#publish(nextRoster(this.#roster, staying, { nowMs, inUse }));
  }

  /** Sends the same list once more: the kubelet then writes its records afresh. */
  resend(): void {
    this.list.set(this.list.value);
  }

  prefer(request: PreferenceRequest): readonly string[] {
    this.#deps.books.calls.answered();
    const rules = this.#rules;
    if (rules === null)
      return [...new Set([...request.requiredIds, ...request.availableIds])].slice(
        0,
        Math.max(0, request.size),
      );
    this.#prefer ??= preparePreferred(
      this.#roster.map(({ id, gpu }) => ({ id, gpuUuid: gpu.uuid })),
      rules,
    );
    this.#unhealthy ??= new Set(
      this.list.value.filter(({ health }) => health === 'Unhealthy').map(({ id }) => id),
    );
    return this.#prefer(spareUnhealthy(request, this.#unhealthy));
  }

  allocate(ids: readonly string[]): ContainerResponse | Promise<ContainerResponse> {
    return this.#deps.books.calls.during(() => this.#decide(ids, 'may-reread'));
  }

  #decide(
    ids: readonly string[],
    reading: 'may-reread' | 'reread',
  ): ContainerResponse | Promise<ContainerResponse> {
    const { clock, log, metrics, books } = this.#deps;
    const { settings, nodes, cdiNames } = this.#node;
    const { resource } = this;
    const nowMs = clock.now();
    const decision = decide(ids, {
      resource,
      devices: this.#roster,
      needsDeviceNode: settings.passDeviceSpecs && !isCdiOnly(settings.deviceListStrategies),
      oneShareOnly: this.#oneShareOnly,
    });
    if (decision.kind === 'refused') {
      const kind = decision.reason === 'unhealthy-device' ? 'not-available' : 'invalid-request';
      refuse({ resource, asked: ids.length, kind }, decision, this.#deps);
    }
    for (const { id } of decision.devices) this.#recentlyNamed.set(id, nowMs);
    const placed = books.placeWhole(resource, { ids, books: reading });
    if (placed.kind === 'reread-first')
      return books.rereadForWhole(this.resource, ids).then(() => this.#decide(ids, 'reread'));
    if (placed.kind === 'refused')
      refuse({ resource, asked: ids.length, kind: 'not-available' }, placed, this.#deps);
    metrics.allocation(resource);
    log.info({ resource, devices: decision.devices.map(({ id }) => id) }, 'allocated');
    const cdi = cdiNames === null ? null : { names: cdiNames, id: randomUUID() };
    const response = buildResponse(decision.devices, settings, nodes, cdi);
    books.bookWhole(resource, ids, placed.claim, response);
    return response;
  }

  devices(): readonly OfferedDevice[] {
    const withheld = this.#withheld(this.#roster);
    return this.#roster.map(({ id, gpu, fault, leavingSinceMs }) => {
      const own = leavingSinceMs !== null ? 'leaving' : fault !== null ? 'fault' : null;
      return { id, gpu: gpu.uuid, unhealthy: own ?? withheld.get(id) ?? null };
    });
  }

  show(): void {
    this.#publish(this.#roster);
  }

  #publish(roster: readonly RosterDevice[]): void {
    const withheld = this.#withheld(roster);
    const before = { roster: this.#roster, list: this.list.value };
    const list = roster.map(({ id, fault, numaNode }, at) =>
      listed(before.list[at], id, fault === null && !withheld.has(id), numaNode),
    );
    if (!hasSameIds(roster, before.roster)) this.#prefer = null;
    this.#roster = roster;
    const isNew = !isSameList(list, before.list);
    if (isNew) {
      this.#unhealthy = null;
      this.list.set(list);
    }
    reportFaults(this.resource, before.roster, roster, this.#deps.log);
    if (!isNew) return;
    const counts = countHealth(list);
    this.#deps.metrics.devices(this.resource, counts);
    this.#deps.log.info({ resource: this.resource, ...counts }, 'device list changed');
  }

  /** Devices that are not to be given out because of what memory holds, and why. */
  #withheld(roster: readonly RosterDevice[]): ReadonlyMap<string, WithheldReason> {
    const { books } = this.#deps;
    if (!books.areNeeded) return new Map();
    // What keeps a device from being used stands in the roster; a GPU without a device node is refused with the reason.
    const shown = showOthers(this.resource, roster, { ...books.offer, faults: noFaults });
    return new Map(shown.flatMap(({ id, withheld }) => (withheld === null ? [] : [[id, withheld] as const])));
  }
}
