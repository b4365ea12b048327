import type { Clock } from '../../lib/clock.ts';
import { toError } from '../../lib/errors.ts';
import { constants } from './constants.ts';
import type { EventData, Handle, Out } from './layouts.ts';
import type { NvmlLibrary } from './library.ts';
import { NvmlError, saysNothing } from './return-codes.ts';

/** A call that did not come back in time; its thread is lost. */
export class CallHung extends Error {
  override readonly name = 'CallHung';
}

export interface EventSetDeps {
  readonly nvml: NvmlLibrary;
  readonly clock: Clock;
  /** Milliseconds that a call may take beyond what it was asked to wait. */
  readonly callMs: number;
}

/**
 * A set of events of NVML. Its calls run in threads of their own, so whatever they do, the driver can be asked other things; one that does
 * not come back in time throws `CallHung`, and then nothing of the set may be used any more.
 */
export class EventSet {
  readonly #deps: EventSetDeps;
  readonly #set: Handle;
  /** Indexes of the GPUs by their handles. */
  readonly #gpus = new Map<Handle, number>();

  private constructor(deps: EventSetDeps, set: Handle) {
    this.#deps = deps;
    this.#set = set;
  }

  /** @throws NvmlError, CallHung */
  static async create(deps: EventSetDeps): Promise<EventSet> {
    const out: Out<Handle> = [null];
    await within(deps, 0, deps.nvml.askAside('eventSetCreate', out));
    if (out[0] === null || out[0] === 0n) throw new Error('the driver library gave an empty event set');
    return new EventSet(deps, out[0]);
  }

  /**
   * Follows one more GPU.
   * @returns null, or why errors of this GPU will not be told
   * @throws NvmlError when the set cannot be used any more; CallHung
   */
  async add(index: number): Promise<string | null> {
    const { nvml } = this.#deps;
    try {
      const handle: Out<Handle> = [null];
      await this.#call(nvml.askAside('deviceGetHandleByIndex', index, handle));
      if (handle[0] === null || handle[0] === 0n) return 'the driver library gave an empty handle';
      const supported: Out<number | bigint> = [null];
      await this.#call(nvml.askAside('deviceGetSupportedEventTypes', handle[0], supported));
      const types = Number(supported[0] ?? 0) & followed;
      if (types === 0) return 'this GPU does not tell of errors unasked';
      await this.#call(nvml.askAside('deviceRegisterEvents', handle[0], types, this.#set));
      this.#gpus.set(handle[0], index);
      return (types & constants.nvmlEventTypeXidCriticalError) === 0
        ? 'this GPU does not tell of XID errors unasked'
        : null;
    } catch (thrown) {
      // The header: after an unknown error of the registration the set is in an undefined state.
      if (!(thrown instanceof NvmlError) || thrown.returnCode === unknownError) throw thrown;
      return saysNothing(thrown.returnCode) ? notSupported : toError(thrown).message;
    }
  }

  /** The next event, waited for; null when none came. @throws NvmlError, CallHung */
  async wait(ms: number): Promise<ToldEvent | null> {
    const event: Partial<EventData> = {};
    const call = this.#deps.nvml.askAside('eventSetWait', this.#set, event, ms);
    return (await toldOrNone(within(this.#deps, ms, call))) ? this.#toTold(event) : null;
  }

  /** Events that have happened already, as many at most; asked in this thread, which is forty times less work. @throws NvmlError */
  drain(most: number): ToldEvent[] {
    const told: ToldEvent[] = [];
    while (told.length < most) {
      const event: Partial<EventData> = {};
      try {
        this.#deps.nvml.ask('eventSetWait', this.#set, event, 0);
      } catch (thrown) {
        if (isTimeout(thrown)) break;
        throw thrown;
      }
      told.push(this.#toTold(event));
    }
    return told;
  }

  /** @throws CallHung */
  async free(): Promise<void> {
    await this.#call(this.#deps.nvml.askAside('eventSetFree', this.#set)).catch((thrown: unknown) => {
      if (thrown instanceof CallHung) throw thrown;
    });
  }

  #call(call: Promise<void>): Promise<void> {
    return within(this.#deps, 0, call);
  }

  #toTold({ device, eventType, eventData, gpuInstanceId, computeInstanceId }: Partial<EventData>): ToldEvent {
    return {
      gpu: this.#gpus.get(device ?? 0n) ?? null,
      type: Number(eventType ?? 0),
      data: Number(eventData ?? 0),
      gpuInstanceId: gpuInstanceId ?? noInstance,
      computeInstanceId: computeInstanceId ?? noInstance,
    };
  }
}

/** An event as NVML tells it, with the GPU's index; null for a GPU that is not followed. */
export interface ToldEvent {
  readonly gpu: number | null;
  readonly type: number;
  readonly data: number;
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
}

/** In the place of an instance's number: the event is about none. */
export const noInstance = 0xffff_ffff;

const followed =
  constants.nvmlEventTypeXidCriticalError |
  constants.nvmlEventTypeDoubleBitEccError |
  constants.nvmlEventTypeGpuUnavailableError |
  constants.nvmlEventTypeGpuRecoveryAction |
  constants.nvmlEventMigConfigChange;

const notSupported = 'this GPU or its driver does not support telling of errors unasked';
const unknownError = 999;
const timeout = 10;

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof NvmlError && thrown.returnCode === timeout;
}

async function toldOrNone(wait: Promise<void>): Promise<boolean> {
  try {
    await wait;
    return true;
  } catch (thrown) {
    if (isTimeout(thrown)) return false;
    throw thrown;
  }
}

async function within({ clock, callMs }: EventSetDeps, ms: number, call: Promise<void>): Promise<void> {
  const settled = new AbortController();
  const late = clock.sleep(ms + callMs, settled.signal).then(
    () => {
      throw new CallHung(`a call for events did not come back within ${(ms + callMs) / 1000} s`);
    },
    () => undefined,
  );
  try {
    await Promise.race([call, late]);
  } finally {
    settled.abort();
  }
}
