import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { DriverError } from '../driver.ts';
import type { Snapshot } from '../gpu.ts';
import { unknownSigns, type GpuSigns } from '../gpu-signs.ts';
import { textOf } from './answers.ts';
import type { Out } from './layouts.ts';
import { constants } from './constants.ts';
import { EventWatch } from './event-watch.ts';
import { loadLibrary, type NvmlLibrary } from './library.ts';
import { MigWatch } from './mig-watch.ts';
import { NvLinkWatch } from './nvlink-watch.ts';
import type { HostNews, HostStep } from './protocol.ts';
import { readSigns } from './read-signs.ts';
import { readSnapshot, type Opened } from './read-snapshot.ts';
import { NvmlError } from './return-codes.ts';
import type { WatchedGpu } from './told-event.ts';

export interface SessionOptions {
  /** The operator's choice of library; `null` searches. */
  readonly library: string | null;
  readonly driverRoot: string;
  readonly procfsRoot: string;
  readonly onStep: (step: HostStep) => void;
  readonly clock: Clock;
  /** How long one call of the events may take. */
  readonly callMs: number;
  readonly onNews: (news: HostNews) => void;
}

/**
 * The driver library held open. NVML lists the GPUs when it is initialised, so it is closed and opened again when the
 * kernel driver's own list has changed, after a failed snapshot, and once a minute while a GPU is in error, which may
 * have been reset since.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #nvml: NvmlLibrary;
  #opened: Opened | null = null;
  #openedAtMs = 0;
  #kernelGpus = '';
  #someFailed = false;
  readonly #migWatch = new MigWatch();
  readonly #nvlinks = new NvLinkWatch();
  readonly #events: EventWatch;
  /** GPUs of the last snapshot since the library was opened. */
  #known: readonly WatchedGpu[] = [];
  #unwatched: string | null = null;

  /** @throws DriverError */
  constructor(options: SessionOptions) {
    this.#options = options;
    options.onStep({ at: 'open' });
    this.#nvml = loadLibrary(options.library, options.driverRoot);
    this.#opened = this.#open();
    const { clock, callMs, onNews: tell } = options;
    this.#events = new EventWatch({ nvml: this.#nvml, clock, callMs, tell });
  }

  /**
   * One at a time.
   * @param unwatched why events are not to be followed from now on, or null
   * @throws DriverError when nothing at all can be read
   */
  async snapshot(leaveOut: Readonly<Record<number, string>>, unwatched: string | null): Promise<Snapshot> {
    if (this.#opened !== null && this.#isStale()) await this.#close();
    this.#opened ??= this.#open();
    try {
      const snapshot = readSnapshot(this.#nvml, this.#opened, leaveOut, this.#options.onStep);
      this.#migWatch.seen(snapshot);
      this.#someFailed = snapshot.unreadable.length > 0 || snapshot.gpus.some((gpu) => gpu.error !== null);
      this.#known = mergeKnown(this.#known, snapshot);
      this.#unwatched = unwatched;
      if (unwatched === null)
        this.#events.follow(this.#known.filter(({ index }) => leaveOut[index] === undefined));
      return snapshot;
    } catch (thrown) {
      await this.#close();
      throw thrown;
    }
  }

  /**
   * How each GPU of the last snapshot is.
   * @throws DriverError where the library is not open
   */
  signs(leaveOut: Readonly<Record<number, string>>): GpuSigns[] {
    if (this.#opened === null)
      throw new DriverError(
        'driver-failed',
        'The GPUs are asked how they are after the next good reading of the node.',
      );
    return this.#known.map(({ index, uuid }) => {
      const unmonitored = this.#unwatched ?? this.#events.whyNot(index);
      const reason = leaveOut[index];
      if (reason !== undefined) return { ...unknownSigns(uuid), lost: reason, isUnsure: true, unmonitored };
      this.#options.onStep({ at: 'gpu', gpu: index, first: false });
      return { ...readSigns(this.#nvml, index, uuid, this.#nvlinks), unmonitored };
    });
  }

  /** What changed of MIG since the last snapshot, in words, told once; an empty text for nothing. */
  migChange(leaveOut: Readonly<Record<number, string>>): string {
    if (this.#opened === null) return '';
    return this.#migWatch.change(this.#nvml, leaveOut, this.#options.onStep);
  }

  #isStale(): boolean {
    if (listKernelGpus(this.#options.procfsRoot) !== this.#kernelGpus) return true;
    return this.#someFailed && this.#options.clock.now() - this.#openedAtMs > reopenAfterMs;
  }

  #open(): Opened {
    this.#options.onStep({ at: 'open' });
    this.#openedAtMs = this.#options.clock.now();
    this.#kernelGpus = listKernelGpus(this.#options.procfsRoot);
    try {
      this.#nvml.ask('init');
    } catch (thrown) {
      throw initError(this.#nvml.path, thrown);
    }
    return {
      driverVersion: readDriverVersion(this.#nvml),
      cudaVersion: readCudaVersion(this.#nvml),
      touched: new Set(),
      links: null,
    };
  }

  /** The library must not be shut down under a call for events. */
  async #close(): Promise<void> {
    this.#options.onStep({ at: 'open' });
    this.#opened = null;
    this.#known = [];
    await this.#events.stop();
    this.#nvml.askOrNull('shutdown', [], () => null);
  }
}

/** The GPUs of a snapshot; one that does not tell its UUID any more keeps the one it had. */
function mergeKnown(before: readonly WatchedGpu[], { gpus, unreadable }: Snapshot): WatchedGpu[] {
  const silent = before.flatMap((gpu) => {
    const entry = unreadable.find(({ index }) => index === gpu.index);
    return entry === undefined ? [] : [{ ...gpu, error: entry.error }];
  });
  const answering = gpus.map(({ index, uuid, pciBusId, mig, error }) => ({
    index,
    uuid,
    pciBusId,
    isInMigMode: mig?.current === true,
    error,
  }));
  return [...answering, ...silent].toSorted((left, right) => left.index - right.index);
}

const reopenAfterMs = 60_000;

/** The PCI addresses that the kernel driver holds, as one text; empty where it does not say. */
function listKernelGpus(procfsRoot: string): string {
  try {
    return readdirSync(join(procfsRoot, 'driver/nvidia/gpus')).sort().join(' ');
  } catch {
    return '';
  }
}

function initError(path: string, thrown: unknown): DriverError {
  const code = thrown instanceof NvmlError ? thrown.returnCode : null;
  const advice = code === null ? undefined : initAdvice[code];
  return new DriverError(
    code === driverNotLoaded ? 'no-driver' : 'driver-failed',
    `${path} does not start: ${describeError(thrown)}. ${advice ?? 'Does nvidia-smi work on this node?'}`,
    { cause: thrown },
  );
}

const driverNotLoaded = 9;
const initAdvice: Readonly<Record<number, string>> = {
  4: 'Are the device nodes /dev/nvidia* visible and permitted in this container?',
  [driverNotLoaded]: "Load it ('modprobe nvidia') and look at 'dmesg | grep NVRM'.",
  18: 'The driver was updated under a running kernel module: reload the module or reboot the node.',
};

function readDriverVersion(nvml: NvmlLibrary): string | null {
  const text = Buffer.alloc(constants.NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE);
  return nvml.askOrNull('systemGetDriverVersion', [text, text.length], () => textOf(text));
}

/** NVML says 13010 for CUDA 13.1. */
function readCudaVersion(nvml: NvmlLibrary): string | null {
  const out: Out<number> = [null];
  const version = nvml.askOrNull('systemGetCudaDriverVersion', [out], () => out[0]);
  return version === null ? null : `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}
