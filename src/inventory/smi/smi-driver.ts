import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { DriverError, type Driver, type DriverEvent } from '../driver.ts';
import type { GpuSigns } from '../gpu-signs.ts';
import type { Snapshot } from '../gpu.ts';
import { programPlaces } from './find-program.ts';
import { parseHandleFailures, saysNoDevices } from './handle-failures.ts';
import { parseList } from './list.ts';
import { doMigDevicesDiffer, toComputeCapabilities, toSnapshot, type SmiAnswers } from './parse.ts';
import { parseQuery, readAttachedCount } from './query.ts';
import type { ProgramResult } from './run-program.ts';
import { explainExit, SmiCommand } from './smi-command.ts';
import { parseTable } from './table.ts';

export interface SmiOptions {
  /** A path, or a name to be looked up on PATH. */
  readonly program: string;
  /** Where else to look for nvidia-smi: roots of drivers installed in a container or a folder. */
  readonly driverRoots?: readonly string[];
}

interface SmiDeps {
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * A driver that calls nvidia-smi and reads what it prints: `-q` for each snapshot, `-L` as well while a GPU is in MIG mode,
 * and a table of compute capabilities once for each new GPU. It tells nothing unasked.
 */
export function createSmiDriver(options: SmiOptions, deps: SmiDeps): Driver {
  return new SmiDriver(new SmiCommand(programPlaces(options.program, options.driverRoots ?? []), deps), deps);
}

type Found = Pick<SmiAnswers, 'driverVersion' | 'cudaVersion' | 'gpus' | 'failures'>;

const nothing: Found = { driverVersion: null, cudaVersion: null, gpus: [], failures: [] };

/** What was asked longer ago is no answer to how the GPUs are now. */
const freshMs = 5_000;

/** More GPUs than a node has; ends the search where nvidia-smi does not say how many there are. */
const maxGpus = 64;

/** MIG devices that come or go between two calls are asked for again. */
const maxTurns = 2;

class SmiDriver implements Driver {
  readonly #command: SmiCommand;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #computeCapabilities = new Map<string, string | null>();

  #last: { readonly found: Found; readonly atMs: number } | null = null;

  constructor(command: SmiCommand, { log, clock }: SmiDeps) {
    this.#command = command;
    this.#clock = clock;
    this.#log = log;
  }

  async snapshot(): Promise<Snapshot> {
    let found = await this.#queryWithList();
    for (let turn = 1; turn < maxTurns && doMigDevicesDiffer(found); turn += 1)
      found = await this.#queryWithList();
    await this.#learnComputeCapabilities(found.gpus.flatMap(({ gpu: { uuid } }) => uuid ?? []));
    return toSnapshot({ ...found, computeCapabilities: this.#computeCapabilities });
  }

  /** From what was asked for a snapshot a moment ago: on a node with many GPUs nvidia-smi takes seconds. */
  async signs(): Promise<readonly GpuSigns[]> {
    const last = this.#last;
    const isFresh = last !== null && this.#clock.now() - last.atMs < freshMs;
    const { gpus } = isFresh ? last.found : await this.#query();
    return gpus.flatMap(({ gpu: { signs } }) => signs ?? []);
  }

  /** Ends with the signal: nvidia-smi tells nothing unasked. */
  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent, void, void> {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    yield* [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#command.close();
  }

  async #queryWithList(): Promise<Found & Pick<SmiAnswers, 'list'>> {
    const found = await this.#query();
    const inMigMode = found.gpus.some(({ gpu }) => gpu.mig?.current === true);
    return { ...found, list: inMigMode ? await this.#list() : [] };
  }

  async #query(): Promise<Found> {
    const found = await this.#queryAll();
    this.#last = { found, atMs: this.#clock.now() };
    return found;
  }

  /** All GPUs in one call; a GPU that cannot be opened may hide others, which are then asked for one by one. */
  async #queryAll(): Promise<Found> {
    const result = await this.#command.run(['-q']);
    const output = `${result.stdout}\n${result.stderr}`;
    if (saysNoDevices(output)) return nothing;
    const attached = readAttachedCount(result.stdout) ?? 0;
    const failures = parseHandleFailures(output).length;
    if (failures > 0) return await this.#queryOneByOne(Math.max(attached, failures));
    const report = parseResult(['-q'], result, parseQuery);
    if (report instanceof DriverError) {
      if (attached < 2) throw report;
      return await this.#queryOneByOne(attached);
    }
    const { driverVersion, cudaVersion, gpus } = report;
    if (attached > gpus.length) return await this.#queryOneByOne(attached);
    return { driverVersion, cudaVersion, gpus: gpus.map((gpu, index) => ({ gpu, index })), failures: [] };
  }

  /** @param atLeast how many there are for certain; behind them the first strange answer is the end */
  async #queryOneByOne(atLeast: number): Promise<Found> {
    const gpus: SmiAnswers['gpus'][number][] = [];
    const failures: SmiAnswers['failures'][number][] = [];
    let versions: Pick<Found, 'driverVersion' | 'cudaVersion'> = nothing;
    for (let index = 0; index < maxGpus; index += 1) {
      const args = ['-q', '-i', String(index)];
      const result = await this.#command.run(args);
      const output = `${result.stdout}\n${result.stderr}`;
      if (saysNoDevices(output)) break;
      const [failure] = parseHandleFailures(output);
      const report = failure ?? parseResult(args, result, parseQuery);
      if (report instanceof DriverError) {
        if (index >= atLeast) break;
        failures.push({ index, pciBusId: null, error: report.message });
      } else if ('error' in report) failures.push({ ...report, index });
      else {
        versions = report;
        gpus.push(...report.gpus.map((gpu) => ({ gpu, index })));
      }
    }
    const { driverVersion, cudaVersion } = versions;
    return { driverVersion, cudaVersion, gpus, failures };
  }

  async #list(): Promise<SmiAnswers['list']> {
    const list = parseResult(['-L'], await this.#command.run(['-L']), parseList);
    if (list instanceof DriverError) throw list;
    return list;
  }

  /** Older versions do not know the field (status 2): their GPUs go without. Other failures are tried again. */
  async #learnComputeCapabilities(uuids: readonly string[]): Promise<void> {
    if (uuids.every((uuid) => this.#computeCapabilities.has(uuid))) return;
    const result = await this.#command.run(['--query-gpu=uuid,compute_cap', '--format=csv']);
    try {
      const learnt = toComputeCapabilities(result.exitCode === 2 ? [] : parseTable(result.stdout));
      if (result.exitCode === 2) for (const uuid of uuids) learnt.set(uuid, null);
      for (const [uuid, capability] of learnt) this.#computeCapabilities.set(uuid, capability);
    } catch (error) {
      this.#log.debug({ error: describeError(error) }, 'The compute capabilities cannot be read');
    }
  }
}

/** The parsed output, whatever the exit status; where it cannot be parsed, the error that says more. */
function parseResult<T>(
  args: readonly string[],
  result: ProgramResult,
  parse: (text: string) => T,
): T | DriverError {
  try {
    return parse(result.stdout);
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    return result.exitCode === 0 ? error : explainExit(args, result);
  }
}
