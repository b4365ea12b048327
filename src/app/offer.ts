import { randomUUID } from 'node:crypto';
import type { CdiNames } from '../allocation/cdi-names.ts';
import { decide } from '../allocation/decide.ts';
import { preferDevices } from '../allocation/preferred.ts';
import {
  buildResponse,
  isCdiOnly,
  type ContainerResponse,
  type ResponseSettings,
} from '../allocation/response.ts';
import type { DeviceNodes } from '../inventory/device-nodes.ts';
import type { ListedDevice, PreferenceRequest } from '../kubelet/contract.ts';
import { Refusal, type ResourceHandlers } from '../kubelet/handlers.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import type { PlannedDevice } from '../resources/plan.ts';
import type { ResourceName } from '../resources/resource-name.ts';
import { nextRoster, type RosterDevice } from '../resources/roster.ts';

/** How long after an Allocate its ids count as in use, whatever the kubelet's records say. */
const recentMs = 5000;

export interface OfferDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'allocation' | 'refusal' | 'devices'>;
}

/** What answers depend on; it changes as a whole. */
export interface NodeFacts {
  readonly settings: ResponseSettings;
  readonly nodes: DeviceNodes;
  /** `null` where no strategy goes by CDI names. */
  readonly cdiNames: CdiNames | null;
}

/** One resource as it is offered now: its list for the kubelet, and the answers to requests, all from memory. */
export class Offer implements ResourceHandlers {
  readonly resource: ResourceName;
  readonly list = new Latest<readonly ListedDevice[]>([]);
  readonly #deps: OfferDeps;
  readonly #recentlyNamed = new Map<string, number>();
  #roster: readonly RosterDevice[] = [];
  #node: NodeFacts;
  #lastCallMs = Number.NEGATIVE_INFINITY;

  constructor(resource: ResourceName, node: NodeFacts, deps: OfferDeps) {
    this.resource = resource;
    this.#node = node;
    this.#deps = deps;
  }

  /** Ids that are listed Unhealthy until nobody uses them, and since when (monotonic milliseconds). */
  get leaving(): readonly { readonly id: string; readonly sinceMs: number }[] {
    return this.#roster.flatMap(({ id, leavingSinceMs }) =>
      leavingSinceMs === null ? [] : [{ id, sinceMs: leavingSinceMs }],
    );
  }

  /** When the last Allocate, or the question for preferred devices before one, was answered (monotonic milliseconds). */
  get lastCallMs(): number {
    return this.#lastCallMs;
  }

  /** Takes over a new plan. What is no longer planned stays listed until `letGo`. */
  update(planned: readonly PlannedDevice[], node: NodeFacts): void {
    this.#node = node;
    const everyone = new Set(this.#roster.map((device) => device.id));
    this.#publish(nextRoster(this.#roster, planned, { nowMs: this.#deps.clock.now(), inUse: everyone }));
  }

  /**
   * Lists ids that a pod holds although no device of that name is known: one that went while no agent ran. They leave as every
   * other device that is gone.
   */
  keepHeld(ids: readonly string[]): void {
    const known = new Set(this.#roster.map((device) => device.id));
    const gone = [...new Set(ids)].filter((id) => !known.has(id));
    if (gone.length === 0) return;
    const leavingSinceMs = this.#deps.clock.now();
    const kept = gone.map((id) => ({ ...unknownDevice(id), leavingSinceMs }));
    this.#publish([...this.#roster, ...kept]);
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
    this.#lastCallMs = this.#deps.clock.now();
    return preferDevices(
      request,
      this.#roster.map((device) => device.id),
    );
  }

  allocate(ids: readonly string[]): ContainerResponse {
    const { clock, log, metrics } = this.#deps;
    const { settings, nodes, cdiNames } = this.#node;
    const { resource } = this;
    this.#lastCallMs = clock.now();
    const decision = decide(ids, {
      resource,
      devices: this.#roster,
      needsDeviceNode: settings.passDeviceSpecs && !isCdiOnly(settings.deviceListStrategies),
    });
    if (decision.kind === 'refused') {
      metrics.refusal(resource, decision.reason);
      log.warn({ resource, reason: decision.reason, asked: ids.length }, `refused: ${decision.message}`);
      throw new Refusal(
        decision.reason === 'unhealthy-device' ? 'not-available' : 'invalid-request',
        decision.message,
      );
    }
    for (const { id } of decision.devices) this.#recentlyNamed.set(id, this.#lastCallMs);
    metrics.allocation(resource);
    log.info({ resource, devices: decision.devices.map(({ id }) => id) }, 'allocated');
    const cdi = cdiNames === null ? null : { names: cdiNames, id: randomUUID() };
    return buildResponse(decision.devices, settings, nodes, cdi);
  }

  #publish(roster: readonly RosterDevice[]): void {
    const list = roster.map(({ id, fault, numaNode }) => ({
      id,
      health: fault === null ? ('Healthy' as const) : ('Unhealthy' as const),
      numaNode,
    }));
    this.#reportFaults(roster);
    this.#roster = roster;
    if (JSON.stringify(list) === JSON.stringify(this.list.value)) return;
    this.list.set(list);
    const healthy = list.filter((device) => device.health === 'Healthy').length;
    this.#deps.metrics.devices(this.resource, { healthy, unhealthy: list.length - healthy });
    this.#deps.log.info(
      { resource: this.resource, healthy, unhealthy: list.length - healthy },
      'device list changed',
    );
  }

  #reportFaults(roster: readonly RosterDevice[]): void {
    const { log } = this.#deps;
    const before = new Map(this.#roster.map((device) => [device.id, device.fault]));
    for (const { id, gpu, fault } of roster) {
      if ((before.get(id) ?? null) === fault) continue;
      const fields = { resource: this.resource, gpu: gpu.uuid, index: gpu.index };
      if (fault === null) log.info(fields, 'GPU is healthy again');
      else log.warn({ ...fields, reason: fault }, 'GPU is unhealthy');
    }
  }
}

/** A device of which only the id is known. It comes last in every list. */
function unknownDevice(id: string): PlannedDevice {
  const gpu = { uuid: id, index: Number.MAX_SAFE_INTEGER, minor: null, memoryTotalMiB: null };
  return { id, gpu, fault: 'a pod holds it and it is not on this node', numaNode: null };
}
