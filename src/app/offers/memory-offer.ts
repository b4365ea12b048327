import { randomUUID } from 'node:crypto';
import { buildMemoryResponse, type MemoryDevice } from '../../allocation/memory/memory-response.ts';
import { showMemory, type ShownDevice } from '../../allocation/shown-devices.ts';
import type { ContainerResponse } from '../../allocation/response.ts';
import type { OfferedDevice } from '../../allocation/status/offered-device.ts';
import type { ListedDevice, PreferenceRequest } from '../../kubelet/contract.ts';
import { Latest } from '../../lib/latest.ts';
import { memoryResource } from '../../resources/memory-units.ts';
import { leavingMs } from '../../resources/roster.ts';
import type { Books } from '../books/books.ts';
import { recentMs, type NodeFacts, type Offered, type OfferDeps } from './offer.ts';
import { refuse } from './refuse.ts';
import { countHealth, isSameList, listed } from './listed.ts';

/** What an offer of memory depends on beside what is booked. */
export interface MemoryFacts extends NodeFacts {
  /** By UUID. */
  readonly gpus: ReadonlyMap<string, MemoryDevice>;
  readonly frameworkEnv: boolean;
}

/** GPU memory as it is offered now. Units are tied to no GPU: the kubelet counts them, and here the GPU is chosen. */
export class MemoryOffer implements Offered {
  readonly resource = memoryResource;
  readonly kubeletChooses = false;
  readonly list = new Latest<readonly ListedDevice[]>([]);
  /** Ids come and go with what is booked, so nobody has to ask the kubelet about them. */
  readonly leaving: Offered['leaving'] = [];
  readonly #books: Books;
  readonly #deps: OfferDeps;
  readonly #namedMs = new Map<string, number>();
  readonly #gone = new Map<string, number>();
  #facts: MemoryFacts;

  constructor(books: Books, facts: MemoryFacts, deps: OfferDeps) {
    this.#books = books;
    this.#facts = facts;
    this.#deps = deps;
  }

  update(facts: MemoryFacts): void {
    this.#facts = facts;
    this.show();
  }

  /** Lists what is promised and held by the books as they are. */
  show(): void {
    const nowMs = this.#deps.clock.now();
    const shown = showMemory(this.#books.offer, nowMs);
    const before = this.list.value;
    const list = shown.map(({ id, withheld }, at) => listed(before[at], id, withheld === null, null));
    for (const id of this.#leavers(shown, nowMs)) list.push(listed(before[list.length], id, false, null));
    if (isSameList(list, before)) return;
    this.list.set(list);
    const counts = countHealth(list);
    this.#deps.metrics.devices(this.resource, counts);
    this.#deps.log.debug({ resource: this.resource, ...counts }, 'device list changed');
  }

  devices(): readonly OfferedDevice[] {
    const shown = showMemory(this.#books.offer, this.#deps.clock.now());
    const ids = new Set(shown.map(({ id }) => id));
    return [
      ...shown.map(({ id, withheld }) => ({ id, gpu: null, unhealthy: withheld })),
      ...[...this.#gone.keys()]
        .filter((id) => !ids.has(id))
        .map((id) => ({ id, gpu: null, unhealthy: 'leaving' as const })),
    ];
  }

  resend(): void {
    this.list.set(this.list.value);
  }

  letGo(): void {
    this.show();
  }

  /** The kubelet is told not to ask; the ids mean nothing, so any do. */
  prefer({ availableIds, requiredIds, size }: PreferenceRequest): readonly string[] {
    return [...new Set([...requiredIds, ...availableIds])].slice(0, Math.max(0, size));
  }

  allocate(ids: readonly string[]): ContainerResponse | Promise<ContainerResponse> {
    return this.#books.calls.during(() => this.#decide(ids, 'may-reread'));
  }

  #decide(
    ids: readonly string[],
    books: 'may-reread' | 'reread',
  ): ContainerResponse | Promise<ContainerResponse> {
    const { clock, log, metrics } = this.#deps;
    const { resource } = this;
    const nowMs = clock.now();
    for (const id of ids) this.#namedMs.set(id, nowMs);
    const decision = this.#books.placeMemory({ ids, books });
    if (decision.kind === 'reread-first')
      return this.#books.rereadForMemory(ids).then(() => this.#decide(ids, 'reread'));
    if (decision.kind === 'refused') {
      const kind = decision.isMisfit ? 'not-available' : 'invalid-request';
      refuse({ resource, asked: ids.length, kind }, decision, this.#deps);
    }
    const { nodes, settings, cdiNames, gpus, frameworkEnv } = this.#facts;
    const device = gpus.get(decision.gpu.uuid);
    if (device === undefined) throw new Error(`${decision.gpu.uuid} was chosen and is not known`);
    metrics.allocation(resource);
    log.info(
      { resource, units: decision.units, gpu: decision.gpu.uuid, mib: decision.memoryMiB },
      'allocated',
    );
    const cdi = cdiNames === null ? null : { names: cdiNames, id: randomUUID() };
    return buildMemoryResponse(decision, device, { ...settings, frameworkEnv }, nodes, cdi);
  }

  /** Ids that are shown no more stay for a while, Unhealthy: the kubelet may be giving one of them out just now. */
  #leavers(shown: readonly ShownDevice[], nowMs: number): Iterable<string> {
    for (const [id, namedMs] of this.#namedMs) if (nowMs - namedMs >= recentMs) this.#namedMs.delete(id);
    const before = this.list.value;
    if (this.#gone.size === 0 && before.every(({ id }, at) => id === shown[at]?.id)) return [];
    const ids = new Set(shown.map(({ id }) => id));
    for (const { id } of before) if (!ids.has(id) && !this.#gone.has(id)) this.#gone.set(id, nowMs);
    for (const [id, goneMs] of this.#gone)
      if (ids.has(id) || (nowMs - goneMs >= leavingMs && !this.#namedMs.has(id))) this.#gone.delete(id);
    return this.#gone.keys();
  }
}
