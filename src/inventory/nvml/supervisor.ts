import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { backoffMs } from '../../lib/retry.ts';
import { DriverError } from '../driver.ts';
import type { Snapshot } from '../gpu.ts';
import type { HostAnswer, HostEnd, HostProcess } from './host-process.ts';
import { LeftAlone } from './left-alone.ts';
import type { HostReply, HostRequest, HostStep } from './protocol.ts';
import { deadlineMs, describeEnd, describeHang, gpuOf, isCrash, type NvmlDeadlines } from './trouble.ts';

export interface SupervisorDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly deadlines: NvmlDeadlines;
  readonly startHost: () => HostProcess;
  /** A cheap look whether a driver that a helper did not find is still not there. */
  readonly isAbsent: () => boolean;
  /** Told when the helper was lost: it crashed, was killed or hung. */
  readonly onLost: (reason: string) => void;
}

/** Keeps one helper process at work, and a new one in the place of one that crashed or hung. */
export class Supervisor implements AsyncDisposable {
  readonly #deps: SupervisorDeps;
  readonly #stop = new AbortController();
  readonly #leftAlone = new LeftAlone();
  #host: HostProcess | null = null;
  #starting: Promise<HostProcess> | null = null;
  /** Settles when the last helper is gone or given up. */
  #retired: Promise<void> = Promise.resolve();
  #call: Call | null = null;
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
    const leaveOut = this.#leftAlone.at(this.#deps.clock.now());
    const fresh = await this.#exchange(host, { id: nextId(), ask: 'snapshot', leaveOut });
    if (fresh === null || typeof fresh === 'string')
      throw new DriverError('driver-failed', 'The NVML helper process gave an empty answer.');
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
    const host = this.#host;
    if (host === null || this.#call !== null || this.#lastSnapshot === null) return '';
    const leaveOut = this.#leftAlone.at(this.#deps.clock.now());
    const change = await this.#exchange(host, { id: nextId(), ask: 'mig', leaveOut });
    return typeof change === 'string' ? change : '';
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
    await this.#endedWithin(host, disposeGraceMs, new AbortController().signal);
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
    try {
      await this.#exchange(host, { id: nextId(), ask: 'open' });
    } catch (thrown) {
      // Without a library it has nothing to hold; memory is dearer than a later start.
      if (this.#host === host) this.#retire(host);
      if (thrown instanceof DriverError && thrown.code === 'no-driver')
        this.#absent = { error: thrown, untilMs: clock.now() + absentPauseMs };
      throw thrown;
    }
    return host;
  }

  async #exchange(host: HostProcess, request: HostRequest): Promise<HostReply> {
    const { clock, deadlines } = this.#deps;
    const { promise, resolve, reject } = Promise.withResolvers<HostAnswer>();
    const answered = new AbortController();
    const call: Call = { step: { at: 'open' }, limitMs: 0, dueMs: 0, fail: reject };
    const enter = (step: HostStep): void => {
      call.step = step;
      call.limitMs = deadlineMs(step, deadlines);
      call.dueMs = clock.now() + call.limitMs;
    };
    enter(request.ask === 'open' ? { at: 'open' } : { at: 'count' });
    this.#call = call;
    void host.ask(request, enter).then(resolve);
    void this.#watch(host, call, answered.signal);
    try {
      const answer = await promise;
      if (answer.kind === 'failure') throw new DriverError(answer.failure.code, answer.failure.message);
      return answer.reply;
    } finally {
      answered.abort();
      this.#call = null;
    }
  }

  /** Ends the helper when a step is overdue; every step moves the moment. */
  async #watch(host: HostProcess, call: Call, answered: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    try {
      while (clock.now() < call.dueMs) await clock.sleep(call.dueMs - clock.now(), answered);
    } catch (thrown) {
      if (isAbort(thrown)) return;
      throw thrown;
    }
    if (this.#host !== host) return;
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

  #lose(reason: string, call: Call | null): void {
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
    this.#retired = this.#endedWithin(host, killGraceMs, this.#stop.signal).then((gone) => {
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

  async #endedWithin(host: HostProcess, ms: number, stop: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const timeout = this.#deps.clock.sleep(ms, AbortSignal.any([over.signal, stop])).then(
      () => false,
      () => false,
    );
    const gone = await Promise.race([host.ended.then(() => true), timeout]);
    over.abort();
    return gone;
  }
}

/** The request that the helper is at. */
interface Call {
  step: HostStep;
  limitMs: number;
  /** When the step is overdue, by the clock. */
  dueMs: number;
  readonly fail: (reason: unknown) => void;
}

const restartPause = { firstMs: 100, maxMs: 30_000 };
const killGraceMs = 2_000;
const disposeGraceMs = 100;
/** The look can miss a library that only the loader finds; a helper does not. */
const absentPauseMs = 5 * 60_000;
const stuckPauseMs = 5 * 60_000;

let lastId = 0;
const nextId = (): number => (lastId += 1);

function stuckError(): DriverError {
  return new DriverError(
    'driver-failed',
    'A helper process is stuck in a call to the NVIDIA kernel driver and cannot be killed, so no other is started for ' +
      "5 minutes. 'dmesg | grep -e NVRM -e Xid' may tell which GPU it is; a GPU reset or a reboot frees it.",
  );
}
