import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { backoffMs } from '../../lib/retry.ts';
import { DriverError } from '../driver.ts';
import type { GpuSigns } from '../gpu-signs.ts';
import type { Snapshot } from '../gpu.ts';
import { EventPause } from './event-pause.ts';
import type { HostAnswer, HostEnd, HostProcess } from './host-process.ts';
import { LeftAlone } from './left-alone.ts';
import { endedWithin, isOverdue, type PendingCall } from './pending-call.ts';
import type { HostNews, HostQuestion, HostReplies, HostStep } from './protocol.ts';
import {
  deadlineMs,
  describeEnd,
  describeHang,
  gpuOf,
  isCrash,
  stuckError,
  type NvmlDeadlines,
} from './trouble.ts';

export interface SupervisorDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly deadlines: NvmlDeadlines;
  readonly startHost: () => HostProcess;
  /** A cheap look whether a driver that a helper did not find is still not there. */
  readonly isAbsent: () => boolean;
  /** Told when the helper was lost: it crashed, was killed or hung. */
  readonly onLost: (reason: string) => void;
  readonly onNews: (news: Exclude<HostNews, { kind: 'stuck' }>) => void;
}

/** Keeps one helper process at work, and a new one in the place of one that crashed or hung. */
export class Supervisor implements AsyncDisposable {
  readonly #deps: SupervisorDeps;
  readonly #stop = new AbortController();
  readonly #leftAlone = new LeftAlone();
  readonly #eventPause = new EventPause();
  /** Why the helper must be replaced after the call that it is at. */
  #stuck: string | null = null;
  #host: HostProcess | null = null;
  #starting: Promise<HostProcess> | null = null;
  /** Settles when the last helper is gone or given up. */
  #retired: Promise<void> = Promise.resolve();
  #call: PendingCall | null = null;
  /** To name a GPU that hung, crashed or fell silent. */
  #lastSnapshot: Snapshot | null = null;
  #losses = 0;
  #notBeforeMs = -Infinity;
  #stuckUntilMs = -Infinity;
  /** What a helper said that found no driver, and until when that is believed without another helper. */
  #absent: { readonly error: DriverError; readonly untilMs: number } | null = null;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** Has a helper open the driver library, unless one has or does; a failure is told to the next `snapshot`. */
  warmUp(): void {
    this.#starting ??= this.#start();
    this.#starting.catch(() => {});
  }

  /** One at a time. @throws DriverError, or an `AbortError` once disposed */
  async snapshot(): Promise<Snapshot> {
    const host = await this.#running();
    const nowMs = this.#deps.clock.now();
    const leaveOut = this.#leftAlone.at(nowMs);
    const unwatched = this.#eventPause.reasonAt(nowMs);
    const fresh = await this.#exchange(host, { ask: 'snapshot', leaveOut, unwatched });
    this.#losses = 0;
    this.#leftAlone.forgive(leaveOut);
    this.#lastSnapshot = fresh;
    return fresh;
  }

  /**
   * What changed of MIG since the last snapshot, in words; empty for nothing, and where no helper is at hand: only a snapshot
   * is worth starting one.
   */
  async migChange(): Promise<string> {
    const host = this.#idleHost;
    if (host === null) return '';
    return await this.#exchange(host, { ask: 'mig', leaveOut: this.#leftAlone.at(this.#deps.clock.now()) });
  }

  /** How the GPUs of the last snapshot are. @throws DriverError, also where no helper is at hand: only a snapshot starts one */
  async signs(): Promise<readonly GpuSigns[]> {
    const host = this.#idleHost;
    if (host === null)
      throw new DriverError(
        'driver-failed',
        'No NVML helper process is at hand; the next reading of the GPUs starts one.',
      );
    return await this.#exchange(host, { ask: 'signs', leaveOut: this.#leftAlone.at(this.#deps.clock.now()) });
  }

  /** Kills the helper, also in the middle of a call, and never waits for one that does not die. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException('The NVML driver was closed', 'AbortError'));
    this.#call?.fail(this.#stop.signal.reason);
    const host = this.#host;
    this.#host = null;
    if (host === null) return;
    host.kill();
    host.release();
    await endedWithin(host, disposeGraceMs, this.#deps.clock, new AbortController().signal);
  }

  /** The helper, if it can be asked more than a snapshot. */
  get #idleHost(): HostProcess | null {
    return this.#call === null && this.#lastSnapshot !== null ? this.#host : null;
  }

  async #running(): Promise<HostProcess> {
    this.#stop.signal.throwIfAborted();
    this.#starting ??= this.#start();
    try {
      return await this.#starting;
    } catch (thrown) {
      this.#starting = null;
      throw thrown;
    }
  }

  async #start(): Promise<HostProcess> {
    const { clock, startHost, isAbsent } = this.#deps;
    await this.#retired;
    if (this.#absent !== null && clock.now() < this.#absent.untilMs && isAbsent()) throw this.#absent.error;
    this.#absent = null;
    if (clock.now() < this.#stuckUntilMs) throw stuckError();
    if (clock.now() < this.#notBeforeMs)
      await clock.sleep(this.#notBeforeMs - clock.now(), this.#stop.signal);
    this.#stop.signal.throwIfAborted();
    const host = startHost();
    this.#host = host;
    void host.ended.then((end) => this.#onEnd(host, end));
    host.listen((news) => {
      if (this.#host !== host) return;
      if (news.kind !== 'stuck') this.#deps.onNews(news);
      else if (this.#call === null) this.#onStuck(host, news.reason);
      else this.#stuck = news.reason;
    });
    try {
      await this.#exchange(host, { ask: 'open', callMs: this.#deps.deadlines.callMs });
    } catch (thrown) {
      // Without a library it has nothing to hold; memory is dearer than a later start.
      if (this.#host === host) this.#retire(host);
      if (thrown instanceof DriverError && thrown.code === 'no-driver')
        this.#absent = { error: thrown, untilMs: clock.now() + absentPauseMs };
      throw thrown;
    }
    return host;
  }

  async #exchange<Question extends HostQuestion>(
    host: HostProcess,
    question: Question,
  ): Promise<HostReplies[Question['ask']]> {
    const { clock, deadlines } = this.#deps;
    const { promise, resolve, reject } = Promise.withResolvers<HostAnswer>();
    const answered = new AbortController();
    const call: PendingCall = { step: { at: 'open' }, limitMs: 0, dueMs: 0, fail: reject };
    const enter = (step: HostStep): void => {
      call.step = step;
      call.limitMs = deadlineMs(step, deadlines);
      call.dueMs = clock.now() + call.limitMs;
    };
    enter(question.ask === 'open' ? { at: 'open' } : { at: 'count' });
    this.#call = call;
    void host.ask({ ...question, id: nextId() }, enter).then(resolve);
    void this.#watch(host, call, answered.signal);
    try {
      const answer = await promise;
      if (answer.kind === 'failure') throw new DriverError(answer.failure.code, answer.failure.message);
      return answer.reply as HostReplies[Question['ask']];
    } finally {
      answered.abort();
      this.#call = null;
      if (this.#stuck !== null && this.#host === host) this.#onStuck(host, this.#stuck);
    }
  }

  /** The helper answers, but a thread of it does not come back: it is replaced between two questions. */
  #onStuck(host: HostProcess, reason: string): void {
    this.#stuck = null;
    this.#eventPause.blame(reason, this.#deps.clock.now());
    this.#retire(host);
    this.#lose(`The NVIDIA driver hangs: ${reason}. The helper process was ended.`, null);
  }

  /** Ends the helper when a step is overdue; every step moves the moment. */
  async #watch(host: HostProcess, call: PendingCall, answered: AbortSignal): Promise<void> {
    if (!(await isOverdue(call, this.#deps.clock, answered)) || this.#host !== host) return;
    const reason = `The NVIDIA driver did not answer within ${call.limitMs / 1000} s when this GPU was read.`;
    this.#blame(call.step, 'hang', reason);
    this.#retire(host);
    this.#lose(describeHang(call.step, call.limitMs, this.#lastSnapshot), call);
  }

  #onEnd(host: HostProcess, end: HostEnd): void {
    if (this.#host !== host) return;
    this.#host = null;
    const call = this.#call;
    if (call !== null && isCrash(end)) {
      const reason = `The driver library crashed (${end.signal}) each time this GPU was read.`;
      this.#blame(call.step, 'crash', reason);
    }
    this.#lose(describeEnd(end, call?.step ?? null, this.#lastSnapshot), call);
  }

  #lose(reason: string, call: PendingCall | null): void {
    const { clock, onLost } = this.#deps;
    this.#starting = null;
    this.#losses += 1;
    this.#notBeforeMs = clock.now() + backoffMs(restartPause, this.#losses);
    call?.fail(new DriverError('driver-failed', reason));
    onLost(reason);
  }

  #blame(step: HostStep, kind: 'hang' | 'crash', reason: string): void {
    const gpu = gpuOf(step);
    if (gpu === null) return;
    const pauseMs = this.#leftAlone.blame(gpu, kind, reason, this.#deps.clock.now());
    if (pauseMs !== null) {
      this.#deps.log.warn({ gpu, reason, pauseMinutes: pauseMs / 60_000 }, 'leaving a GPU alone for a while');
    }
  }

  /** Kills the helper and waits in the background; one that a driver call holds in the kernel is given up. */
  #retire(host: HostProcess): void {
    this.#host = null;
    host.kill();
    this.#retired = endedWithin(host, killGraceMs, this.#deps.clock, this.#stop.signal).then((gone) => {
      if (gone) return;
      host.release();
      if (this.#stop.signal.aborted) return;
      const { clock, log } = this.#deps;
      this.#stuckUntilMs = clock.now() + stuckPauseMs;
      log.error(
        { pid: host.pid },
        'the NVML helper process does not die: a driver call holds it in the kernel',
      );
    });
  }
}

const restartPause = { firstMs: 100, maxMs: 30_000 };
const killGraceMs = 2_000;
const disposeGraceMs = 100;
/** The look can miss a library that only the loader finds; a helper does not. */
const absentPauseMs = 5 * 60_000;
const stuckPauseMs = 5 * 60_000;

let lastId = 0;
const nextId = (): number => (lastId += 1);
