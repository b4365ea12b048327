import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeError } from '../../lib/errors.ts';
import { DriverError } from '../driver.ts';
import type { Snapshot } from '../gpu.ts';
import { textOf } from './answers.ts';
import type { Out } from './bindings.ts';
import { constants } from './constants.ts';
import { loadLibrary, type NvmlLibrary } from './library.ts';
import { MigWatch } from './mig-watch.ts';
import type { HostStep } from './protocol.ts';
import { readSnapshot, type Opened } from './read-snapshot.ts';
import { NvmlError } from './return-codes.ts';

export interface SessionOptions {
  /** The operator's choice of library; `null` searches. */
  readonly library: string | null;
  readonly driverRoot: string;
  readonly procfsRoot: string;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  readonly onStep: (step: HostStep) => void;
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

  /** @throws DriverError */
  constructor(options: SessionOptions) {
    this.#options = options;
    options.onStep({ at: 'open' });
    this.#nvml = loadLibrary(options.library, options.driverRoot);
    this.#opened = this.#open();
  }

  /** @throws DriverError when nothing at all can be read */
  snapshot(leaveOut: Readonly<Record<number, string>>): Snapshot {
    if (this.#opened !== null && this.#isStale()) this.#close();
    this.#opened ??= this.#open();
    try {
      const snapshot = readSnapshot(this.#nvml, this.#opened, leaveOut, this.#options.onStep);
      this.#migWatch.seen(snapshot);
      this.#someFailed = snapshot.unreadable.length > 0 || snapshot.gpus.some((gpu) => gpu.error !== null);
      return snapshot;
    } catch (thrown) {
      this.#close();
      throw thrown;
    }
  }

  /** What changed of MIG since the last snapshot, in words, told once; an empty text for nothing. */
  migChange(leaveOut: Readonly<Record<number, string>>): string {
    if (this.#opened === null) return '';
    return this.#migWatch.change(this.#nvml, leaveOut, this.#options.onStep);
  }

  #isStale(): boolean {
    if (listKernelGpus(this.#options.procfsRoot) !== this.#kernelGpus) return true;
    return this.#someFailed && this.#options.now() - this.#openedAtMs > reopenAfterMs;
  }

  #open(): Opened {
    this.#options.onStep({ at: 'open' });
    this.#openedAtMs = this.#options.now();
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

  #close(): void {
    this.#opened = null;
    this.#nvml.askOrNull('shutdown', [], () => null);
  }
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
