import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Driver, DriverEvent } from '../../src/inventory/driver.ts';
import { createNvmlDriver, type NvmlDriverOptions } from '../../src/inventory/nvml/client.ts';
import {
  startHostProcess,
  type HostCommand,
  type HostProcess,
} from '../../src/inventory/nvml/host-process.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { inventoryOracle, standInLibrary, thisProgram } from './nvml-library.ts';

/** A node of which the GPUs and the procfs are pretended and all else is real. */
export interface NvmlNode {
  readonly driver: Driver;
  /** Replaces the scenario at once and as a whole. */
  readonly scenario: (text: string) => Promise<void>;
  /** Makes the kernel driver list one more GPU, by its PCI address. */
  listKernelGpu(address: string): Promise<void>;
  nextEvent(): Promise<DriverEvent>;
  /** Takes a snapshot and waits until all GPUs but these many tell of errors unasked. */
  monitored(but?: number): Promise<void>;
  /** What a C program reads of the MIG devices: the words of its lines. */
  readonly askOracleOfMig: () => Promise<string[][]>;
  /** Process id of the newest helper. */
  helper(): number;
  killHelper(signal: NodeJS.Signals): void;
  /** Resolves when a helper has told that it is about to ask the driver. */
  stepTaken(): Promise<void>;
  /** Resolves when the process is gone, rejects if it is still there after a while. */
  ended(pid: number): Promise<void>;
  /** Starts another process that holds a driver, and waits until its helper has taken a step. */
  startParent(): Promise<{ parent: ChildProcess; helper: number }>;
}

/** Runs the body on a node of its own, which is taken down after it. */
export async function within(
  scenario: string,
  body: (node: NvmlNode) => Promise<void>,
  options: Partial<NvmlDriverOptions> & { readonly without?: readonly string[]; readonly clock?: Clock } = {},
): Promise<void> {
  const { without, clock = systemClock, ...driverOptions } = options;
  const folder = await mkdtemp(join(tmpdir(), 'sw-nvml-'));
  const file = join(folder, 'scenario');
  const procfsRoot = join(folder, 'proc');
  const parents: ChildProcess[] = [];
  const strays: number[] = [];
  const stop = new AbortController();
  try {
    const library = await standInLibrary(without === undefined ? {} : { without });
    if ('missing' in library) throw new Error(library.missing);
    await writeScenario(file, scenario);
    const helpers: number[] = [];
    const step = Promise.withResolvers<void>();
    const env = { ...process.env, NVML_STAND_IN_SCENARIO: file };
    await using driver = createNvmlDriver(
      {
        library: library.path,
        driverRoot: '/',
        procfsRoot,
        self: thisProgram,
        env,
        deadlines: { initMs: 20_000, firstTouchMs: 3_000, callMs: 3_000 },
        ...driverOptions,
      },
      {
        log: silentLog(),
        clock,
        startHost: (command) => watched(command, helpers, step.resolve),
      },
    );
    const events = driver.events(stop.signal)[Symbol.asyncIterator]();
    await body({
      driver,
      scenario: (text) => writeScenario(file, text),
      async listKernelGpu(address) {
        await mkdir(join(procfsRoot, 'driver/nvidia/gpus', address), { recursive: true });
      },
      async askOracleOfMig() {
        const oracle = await inventoryOracle();
        if ('missing' in oracle) throw new Error(oracle.missing);
        const said = execFileSync(oracle.path, [library.path, 'mig'], { env, encoding: 'utf8' });
        return said
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => line.split('\t'));
      },
      nextEvent: async () => (await events.next()).value as DriverEvent,
      async monitored(but = 0) {
        await driver.snapshot();
        const silent = async (): Promise<number> =>
          (await driver.signs()).filter(({ unmonitored }) => unmonitored !== null).length;
        while ((await silent()) > but) await delay(20);
      },
      helper: () => helpers.at(-1) ?? 0,
      killHelper: (signal) => void process.kill(helpers.at(-1) ?? 0, signal),
      stepTaken: () => step.promise,
      ended: waitForEnd,
      async startParent() {
        const parent = fork(new URL('./nvml-parent.ts', import.meta.url), [library.path], { env });
        parents.push(parent);
        const [helper] = (await new Promise((resolve) => parent.once('message', resolve))) as [number];
        strays.push(helper);
        return { parent, helper };
      },
    });
  } finally {
    stop.abort();
    for (const parent of parents) parent.kill('SIGKILL');
    for (const pid of strays.filter(isRunning)) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true });
  }
}

/** Written beside and renamed: a reader sees the old file or the new one. */
async function writeScenario(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, `${text}\n`);
  await rename(`${file}.new`, file);
}

function watched(command: HostCommand, helpers: number[], onCount: () => void): HostProcess {
  const host = startHostProcess(command);
  helpers.push(host.pid ?? 0);
  return {
    ...host,
    ask: (request, onStep) =>
      host.ask(request, (step) => {
        onStep(step);
        if (step.at === 'count') onCount();
      }),
  };
}

async function waitForEnd(pid: number): Promise<void> {
  for (let turn = 0; isRunning(pid); turn += 1) {
    if (turn > 500) throw new Error(`process ${pid} is still running`);
    await delay(20);
  }
}

/** A zombie, which waits for its parent to take note, has ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
