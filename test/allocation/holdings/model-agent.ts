import { dampAfterRefusal, type Damping } from '../../../src/allocation/damping.ts';
import { mayList, wantsList, wantsRound } from '../../../src/allocation/holdings/due.ts';
import type { HoldingsEvent, Reading } from '../../../src/allocation/holdings/events.ts';
import { noHoldings, type Holdings } from '../../../src/allocation/holdings/holdings.ts';
import { nextHoldings, type HoldingsRules } from '../../../src/allocation/holdings/next-holdings.ts';
import type { NodeGpus } from '../../../src/allocation/holdings/node-gpus.ts';
import type { KeptHoldings } from '../../../src/allocation/holdings/kept-holdings.ts';
import { toKeep } from '../../../src/allocation/holdings/recall.ts';
import type { MemoryOffer } from '../../../src/allocation/memory/memory-view.ts';
import { placeMemory } from '../../../src/allocation/memory/place-memory.ts';
import { placeWhole } from '../../../src/allocation/memory/place-whole.ts';
import type { Fit } from '../../../src/allocation/promise.ts';
import { encodeRecord, type AllocationRecord } from '../../../src/allocation/record.ts';
import { showMemory, showOthers } from '../../../src/allocation/shown-devices.ts';
import type { Gpu } from '../../../src/inventory/gpu.ts';
import { memoryResource, planMemory, type MemoryPlan } from '../../../src/resources/memory-units.ts';
import { gpuResource } from '../../../src/resources/resource-name.ts';
import type { ModelAnswer, ModelKubelet } from './model-kubelet.ts';

/** What an admin can change while the agent runs. */
export interface ModelConfig {
  unitMiB: number;
  reservedPerGpuMiB: number;
  maxPerContainer: number | null;
  fit: Fit;
}

/** The app's part of the agent, at one stroke and without a socket: it asks the pure core and does what the core says. */
export class ModelAgent {
  holdings: Holdings;
  damping: Damping = null;
  readonly faults = new Map<string, string>();
  readonly rules: HoldingsRules;
  readonly config: ModelConfig;
  readonly #gpus: readonly Gpu[];
  readonly #kubelet: ModelKubelet;
  #lastAnsweredMs = Number.NEGATIVE_INFINITY;

  constructor(gpus: readonly Gpu[], kubelet: ModelKubelet, config: ModelConfig) {
    this.#gpus = gpus;
    this.#kubelet = kubelet;
    this.config = config;
    const node: NodeGpus = {
      memoryResource,
      known: new Set(gpus.map(({ uuid }) => uuid)),
      gpuOfMig: new Map(),
    };
    this.rules = { node, releaseDelayMs: 0 };
    this.holdings = noHoldings(0);
  }

  get plan(): MemoryPlan {
    const plan = planMemory(this.#gpus, {
      ...this.config,
      devices: null,
      override: [],
      timeSliced: new Set(),
    });
    if (plan.kind === 'refused') throw new Error(plan.message);
    return plan;
  }

  get offer(): MemoryOffer {
    const { holdings, faults, damping } = this;
    const { maxPerContainer, fit } = this.config;
    return { plan: this.plan, holdings, node: this.rules.node, faults, maxPerContainer, fit, damping };
  }

  /** Healthy ids by resource, as they should be at the kubelet now. */
  healthy(nowMs: number): ReadonlyMap<string, readonly string[]> {
    const devices = this.#gpus.map(({ uuid }) => ({ id: uuid, gpu: { uuid } }));
    return new Map(
      [
        [memoryResource, showMemory(this.offer, nowMs)] as const,
        [gpuResource, showOthers(gpuResource, devices, this.offer)] as const,
      ].map(([resource, shown]) => [
        resource,
        shown.flatMap(({ id, withheld }) => (withheld === null ? [id] : [])),
      ]),
    );
  }

  /** Begins: reads the books, registers, and shows free devices only when the books are fresh. */
  start(nowMs: number, kept: KeptHoldings | null): void {
    this.holdings = noHoldings(nowMs);
    const { identity: kubelet } = this.#kubelet;
    this.take({ kind: 'checkpoint-found', atMs: nowMs, kubelet, checkpoint: this.#kubelet.read(), kept });
    this.#send(nowMs);
    this.#reread(nowMs);
    this.take({ kind: 'listed', atMs: nowMs, containers: this.#kubelet.list() });
    this.#send(nowMs);
  }

  /** What the next run of the agent finds in the state folder. */
  get kept(): KeptHoldings {
    return toKeep(this.holdings, this.rules.node);
  }

  seeNewKubelet(nowMs: number): void {
    const { identity: kubelet } = this.#kubelet;
    this.take({ kind: 'kubelet-appeared', atMs: nowMs, kubelet, checkpoint: this.#kubelet.read() });
    this.#send(nowMs);
  }

  /** One turn of the loop that watches the kubelet's books. */
  turn(nowMs: number): void {
    if (!mayList({ open: 0, lastAnsweredMs: this.#lastAnsweredMs }, nowMs)) return;
    if (wantsRound(this.holdings, nowMs)) this.round(nowMs);
    else if (wantsList(this.holdings, nowMs))
      this.take({ kind: 'listed', atMs: nowMs, containers: this.#kubelet.list() });
    else return;
    this.sendIfChanged(nowMs);
  }

  /** @param written the file as this round reads it, when it is not the newest */
  round(nowMs: number, written?: Reading): void {
    const containers = this.#kubelet.list();
    this.#send(nowMs);
    const checkpoint = written ?? this.#kubelet.read();
    this.take({ kind: 'round', startedMs: nowMs, atMs: nowMs, containers, checkpoint });
  }

  allocate(resource: string, ids: readonly string[], nowMs: number): ModelAnswer {
    this.#lastAnsweredMs = nowMs;
    let decision = this.#decide(resource, ids, 'may-reread');
    if (decision.kind === 'reread-first') {
      let before: Reading | null = null;
      for (let looks = 0; looks < 6; looks += 1) {
        this.#send(nowMs);
        this.#reread(nowMs, before);
        before = this.#kubelet.read();
        if (this.#decide(resource, ids, 'reread').kind !== 'refused') break;
      }
      decision = this.#decide(resource, ids, 'reread');
    }
    if (decision.kind === 'reread-first')
      throw new Error('the core asks for more than one look at the books');
    if (decision.kind === 'refused') {
      if (decision.isMisfit) this.damping = dampAfterRefusal(this.damping, ids.length, nowMs);
      return { refused: decision.message };
    }
    const { record, claim } = decision;
    this.take({ kind: 'answered', atMs: nowMs, resource, deviceIds: ids, record, claim });
    return { record: encodeRecord(record) };
  }

  sendIfChanged(nowMs: number): void {
    for (const [resource, ids] of this.healthy(nowMs)) {
      const known = this.#kubelet.healthyIds(resource);
      if (known.size !== ids.length || ids.some((id) => !known.has(id)))
        this.#kubelet.receiveList(resource, ids);
    }
  }

  take(event: HoldingsEvent): void {
    this.holdings = nextHoldings(this.holdings, event, this.rules);
  }

  #send(nowMs: number): void {
    for (const [resource, ids] of this.healthy(nowMs)) this.#kubelet.receiveList(resource, ids);
  }

  #reread(nowMs: number, before: Reading | null = null): void {
    const checkpoint = this.#kubelet.read();
    this.take({ kind: 'checkpoint-reread', startedMs: nowMs, atMs: nowMs, checkpoint, before });
  }

  #decide(resource: string, ids: readonly string[], books: 'may-reread' | 'reread') {
    if (resource === memoryResource) return placeMemory({ ids, books }, this.offer);
    const { plan, holdings, node } = this.offer;
    const memoryGpus = new Set(plan.gpus.map(({ uuid }) => uuid));
    const decision = placeWhole({ ids, books, resource }, { holdings, node, memoryGpus, mayBeStale: false });
    if (decision.kind !== 'free') return { ...decision, isMisfit: false };
    const record: AllocationRecord = { version: 1, gpus: ids.map((uuid) => ({ uuid, mib: null })) };
    return { kind: 'granted' as const, record, claim: decision.claim };
  }
}
