import { dampAfterRefusal, type Damping } from '../../allocation/damping.ts';
import { decodeRecord } from '../../allocation/decode-record.ts';
import type { HoldingsEvent, Reading } from '../../allocation/holdings/events.ts';
import { noHoldings, type Holdings } from '../../allocation/holdings/holdings.ts';
import type { KeptHoldings } from '../../allocation/holdings/kept-holdings.ts';
import { nextHoldings } from '../../allocation/holdings/next-holdings.ts';
import { isMemory, type NodeGpus } from '../../allocation/holdings/node-gpus.ts';
import { orphanNews, type OrphanNews } from '../../allocation/holdings/orphan-news.ts';
import { toKeep } from '../../allocation/holdings/recall.ts';
import { whyPaused } from '../../allocation/memory/memory-refusals.ts';
import { pauseOf, type MemoryOffer } from '../../allocation/memory/memory-view.ts';
import { placeMemory, type MemoryDecision } from '../../allocation/memory/place-memory.ts';
import { placeWhole, type WholeDecision } from '../../allocation/memory/place-whole.ts';
import type { Fit } from '../../allocation/promise.ts';
import { recordAnnotation } from '../../allocation/record.ts';
import type { ContainerResponse } from '../../allocation/response.ts';
import type { Clock } from '../../lib/clock.ts';
import { memoryResource, noMemory, type MemoryPlan } from '../../resources/memory-units.ts';
import { Calls } from '../offers/calls.ts';

/** What the config and the GPUs say of memory. */
export interface MemoryTerms {
  readonly plan: MemoryPlan;
  readonly node: NodeGpus;
  /** Why a GPU cannot be used, by UUID. */
  readonly faults: ReadonlyMap<string, string>;
  /** Units; `null`: as many as the largest GPU has. */
  readonly maxPerContainer: number | null;
  readonly fit: Fit;
  readonly releaseDelayMs: number;
}

/**
 * Reads the kubelet's record as it is now, and books it, a few times if need be; says nothing when it cannot be had in time.
 * @param isEnough true when what is booked now lets the request through
 */
export type Reread = (isEnough: () => boolean) => Promise<void>;

/** The kubelet that this agent serves. */
export interface ServedKubelet {
  /** Which it is now (`null` while there is none), and when its socket appeared, on the clock of the books. */
  readonly look: () => { readonly identity: string | null; readonly sinceMs: number };
  /** What an earlier run has kept in this boot; never rejects. */
  readonly recall: () => Promise<KeptHoldings | null>;
  /** Its record as it is; never rejects. */
  readonly read: () => Promise<Reading>;
  readonly reread: Reread;
}

/** How often lists are made anew because of the time alone. */
const tickEveryMs = 1000;

/** One request: ids of one resource for one container. */
interface Asked {
  readonly ids: readonly string[];
  readonly books: 'may-reread' | 'reread';
}

/**
 * What is held on the node's GPUs, by memory and in any other way, and the only place where it is decided who gets what. Every decision
 * and its booking happen at one stroke.
 */
export class Books {
  readonly calls: Calls;
  readonly #clock: Clock;
  readonly #readers = new Set<() => void>();
  #holdings: Holdings;
  #terms: MemoryTerms = noTerms;
  #damping: Damping = null;
  #tickedMs = Number.NEGATIVE_INFINITY;
  #kubelet: ServedKubelet | null = null;
  #reread: Reread = () => Promise.resolve();
  #trusted = false;
  /** Another agent may answer the kubelet too, and this one cannot make it write its record. */
  #isLeaving = false;
  /** Something has happened since the books were opened that is not in them, because nobody needed them. */
  #missedSome = false;
  #hearOfOrphans: (news: readonly OrphanNews[]) => void = () => undefined;
  /** Not told yet: where no memory is offered or held, orphans stand in nobody's way. */
  readonly #orphanNews: OrphanNews[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.calls = new Calls(clock);
    this.#holdings = noHoldings(clock.now());
  }

  get holdings(): Holdings {
    return this.#holdings;
  }

  /** False on a node where no memory is offered or held: then the kubelet's own books are enough. */
  get areNeeded(): boolean {
    return this.#terms.plan.units > 0 || this.holdsMemory;
  }

  get holdsMemory(): boolean {
    return this.#holdings.entries.some((entry) => isMemory(entry, this.#terms.node));
  }

  /** Whether config and GPUs have said anything yet: before, nobody knows whether memory will be offered. */
  get hasTerms(): boolean {
    return this.#terms !== noTerms;
  }

  /** What the next run of the agent has to know. Where nobody needs books, what they say of the kubelet's is stale. */
  get kept(): KeptHoldings {
    const kept = toKeep(this.#holdings, this.#terms.node);
    return this.#areFollowed ? kept : { ...kept, booked: [] };
  }

  /** What lists are made of and requests are held against. */
  get offer(): MemoryOffer {
    const { plan, node, faults, maxPerContainer, fit } = this.#terms;
    return { plan, node, faults, maxPerContainer, fit, holdings: this.#holdings, damping: this.#damping };
  }

  /** Why nothing new is given of memory, for a person; `null` when it is, or none is offered. */
  get whyPaused(): string | null {
    if (!this.areNeeded) return null;
    const pause = pauseOf(this.offer);
    return pause === null ? null : whyPaused(pause, this.offer);
  }

  /** Hears of each change. Returns the way to stop it. */
  onChange(see: () => void): () => void {
    this.#readers.add(see);
    return () => this.#readers.delete(see);
  }

  /** Who hears of containers that the kubelet has lost, once that matters: one listener. */
  onOrphans(hear: (news: readonly OrphanNews[]) => void): void {
    this.#hearOfOrphans = hear;
  }

  /**
   * Takes over what the config and the GPUs say. Where nobody needed books and something was given meanwhile, which is not in them,
   * it counts from the moment on that the kubelet's record has been read anew.
   */
  setTerms(terms: MemoryTerms): void {
    const becomesNeeded = !this.areNeeded && terms.plan.units > 0;
    if (becomesNeeded && this.#kubelet !== null && this.#missedSome) {
      void this.#open(this.#kubelet, terms, Promise.resolve({ ...this.kept, booked: [] }));
      return;
    }
    const mattered = this.#areFollowed;
    this.#terms = terms;
    if (mattered || this.areNeeded) this.#tell();
  }

  /**
   * Starts afresh with a kubelet that is served from now on. The agent before may have answered it a moment ago, also one that was killed, so
   * that counts as our own answer: the kubelet is not listed before it has written it down.
   */
  async begin(kubelet: ServedKubelet): Promise<void> {
    this.calls.answered();
    this.#kubelet = kubelet;
    this.#isLeaving = false;
    this.#reread = kubelet.reread;
    await this.#open(kubelet, null, kubelet.recall());
  }

  /** From now on no other agent answers the kubelet: what was read stays right. */
  trust(): void {
    this.#trusted = true;
  }

  /** From now on another agent may answer the kubelet too: its record is read before each decision. */
  distrust(reread: Reread): void {
    this.#kubelet = null;
    this.#trusted = false;
    this.#isLeaving = true;
    this.#reread = reread;
  }

  /** Looks at the kubelet's record for a request for memory that may have to be refused. */
  rereadForMemory(ids: readonly string[]): Promise<void> {
    return this.#reread(() => placeMemory({ ids, books: 'reread' }, this.offer).kind === 'granted');
  }

  /** The same for a request for devices of another resource. */
  rereadForWhole(resource: string, ids: readonly string[]): Promise<void> {
    return this.#reread(() => this.placeWhole(resource, { ids, books: 'reread' }).kind === 'free');
  }

  apply(event: HoldingsEvent): void {
    if (event.kind === 'kubelet-appeared' && !this.#areFollowed) {
      // What is in the books was not followed, so it says nothing of what this kubelet has lost.
      this.#missedSome = true;
      return;
    }
    const before = this.#holdings;
    const { node, releaseDelayMs } = this.#terms;
    this.#holdings = nextHoldings(before, event, { node, releaseDelayMs });
    this.#orphanNews.push(...orphanNews(before, this.#holdings, event.kind));
    this.#tell();
  }

  /** What is shown may depend on the time alone. */
  tick(): void {
    const nowMs = this.#clock.now();
    const lingers = this.#holdings.entries.some(({ afterlife }) => afterlife?.kind === 'releasing');
    const damped = this.#damping !== null;
    // As long again as it lasts, another refusal counts as a repetition.
    if (this.#damping !== null && nowMs >= this.#damping.untilMs + this.#damping.periodMs)
      this.#damping = null;
    if (!(lingers || damped) || nowMs - this.#tickedMs < tickEveryMs) return;
    this.#tickedMs = nowMs;
    this.#tell();
  }

  placeMemory({ ids, books }: Asked): MemoryDecision {
    if (books === 'may-reread' && !this.#trusted) return { kind: 'reread-first' };
    const decision = placeMemory({ ids, books }, this.offer);
    if (decision.kind === 'granted') {
      const { record, claim } = decision;
      this.apply({
        kind: 'answered',
        atMs: this.#clock.now(),
        resource: memoryResource,
        deviceIds: ids,
        record,
        claim,
      });
    } else if (decision.kind === 'refused' && decision.isMisfit) {
      this.#damping = dampAfterRefusal(this.#damping, ids.length, this.#clock.now());
      this.#tell();
    }
    return decision;
  }

  placeWhole(resource: string, { ids, books }: Asked): WholeDecision {
    if (!this.areNeeded) return { kind: 'free', claim: null };
    if (books === 'may-reread' && !this.#trusted) return { kind: 'reread-first' };
    const { plan, node, releaseDelayMs } = this.#terms;
    const memoryGpus = new Set(plan.gpus.map(({ uuid }) => uuid));
    // What has ended stays booked for the delay, and when it ended cannot be told while leaving.
    const mayBeStale = this.#isLeaving && releaseDelayMs === 0;
    const offer = { holdings: this.#holdings, node, memoryGpus, mayBeStale };
    return placeWhole({ ids, books, resource }, offer);
  }

  /** Books an answer of a resource other than memory that is about to be given. */
  bookWhole(
    resource: string,
    ids: readonly string[],
    claim: string | null,
    response: ContainerResponse,
  ): void {
    if (!this.areNeeded) {
      this.#missedSome = true;
      return;
    }
    const record = decodeRecord(response.annotations[recordAnnotation] ?? '');
    if (record === null) throw new Error(`the answer for ${resource} has no record`);
    this.apply({ kind: 'answered', atMs: this.#clock.now(), resource, deviceIds: ids, record, claim });
  }

  /** Until the terms say that books are not needed, they may be: what happens before must not be missed. */
  get #areFollowed(): boolean {
    return !this.hasTerms || this.areNeeded;
  }

  async #open(
    kubelet: ServedKubelet,
    terms: MemoryTerms | null,
    recalling: Promise<KeptHoldings | null>,
  ): Promise<void> {
    const { identity, sinceMs } = kubelet.look();
    const [checkpoint, kept] = await Promise.all([kubelet.read(), recalling]);
    if (this.#kubelet !== kubelet) return;
    if (terms !== null) this.#terms = terms;
    this.#missedSome = false;
    this.#trusted = false;
    this.#holdings = noHoldings(sinceMs);
    const atMs = this.#clock.now();
    this.apply({ kind: 'checkpoint-found', atMs, kubelet: identity, checkpoint, kept });
  }

  #tell(): void {
    for (const see of this.#readers) see();
    if (this.areNeeded && this.#orphanNews.length > 0) this.#hearOfOrphans(this.#orphanNews.splice(0));
  }
}

const noTerms: MemoryTerms = {
  plan: noMemory(1024),
  node: { memoryResource, known: new Set(), gpuOfMig: new Map() },
  faults: new Map(),
  maxPerContainer: null,
  fit: 'guaranteed',
  releaseDelayMs: 0,
};
