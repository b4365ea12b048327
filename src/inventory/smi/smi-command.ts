import type { Clock } from '../../lib/clock.ts';
import { systemErrorCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { DriverError } from '../driver.ts';
import type { ProgramPlace } from './find-program.ts';
import { firstLine } from './garbage.ts';
import { isGroupAlive } from './process-group.ts';
import { runProgram, type ProgramResult } from './run-program.ts';

const deadlineMs = 30_000;
const maxOutputBytes = 8 * 1024 * 1024;
const killGraceMs = 2_000;
const killPollMs = 50;
const stuckPauseMs = 5 * 60_000;

export interface SmiCommandDeps {
  readonly log: Log;
  readonly clock: Clock;
  /** Tells whether a process of a group still runs; a test may put its own in the place of the kernel's word. */
  readonly isGroupAlive?: (group: number) => boolean;
}

/** nvidia-smi as a program to call: found at the first call, then kept while it is there. */
export class SmiCommand {
  readonly #places: readonly ProgramPlace[];
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #isGroupAlive: (group: number) => boolean;
  #found: ProgramPlace | null = null;
  /** The last one that was killed, until it is seen to be gone. */
  #killed: { readonly group: number; readonly atMs: number } | null = null;

  constructor(places: readonly ProgramPlace[], deps: SmiCommandDeps) {
    this.#places = places;
    this.#log = deps.log;
    this.#clock = deps.clock;
    this.#isGroupAlive = deps.isGroupAlive ?? isGroupAlive;
  }

  /**
   * Runs nvidia-smi; any exit status is an answer.
   * @throws DriverError `no-driver` where there is no such program, `driver-failed` where it did not end by itself, and
   * for 5 minutes after one that cannot be killed: they would pile up
   */
  async run(args: readonly string[]): Promise<ProgramResult> {
    await this.#waitForKilled();
    const known = this.#found;
    const places =
      known === null ? this.#places : [known, ...this.#places.filter((place) => place !== known)];
    for (const place of places) {
      const result = await this.#tryPlace(place, args);
      if (result === null) continue;
      if (this.#found !== place) this.#log.info({ program: place.program }, 'nvidia-smi found');
      this.#found = place;
      return result;
    }
    const tried = this.#places.map(({ program }) => program).join(', ');
    throw new DriverError(
      'no-driver',
      `nvidia-smi is nowhere (tried ${tried}); install the NVIDIA driver, or say where it is with --nvidia-smi`,
    );
  }

  /** Ends a running nvidia-smi; later calls are refused. */
  close(): void {
    this.#closing.abort();
  }

  async #waitForKilled(): Promise<void> {
    const killed = this.#killed;
    if (killed === null) return;
    while (this.#isGroupAlive(killed.group)) {
      const sinceMs = this.#clock.now() - killed.atMs;
      if (sinceMs >= stuckPauseMs) break;
      if (sinceMs >= killGraceMs) throw stuckError(killed.group);
      await this.#clock.sleep(killPollMs, this.#closing.signal);
    }
    this.#killed = null;
  }

  /** null where there is no such program. */
  async #tryPlace({ program, env }: ProgramPlace, args: readonly string[]): Promise<ProgramResult | null> {
    const limits = { deadlineMs, maxOutputBytes, ...(env === undefined ? {} : { env }) };
    const line = [program, ...args].join(' ');
    let result: ProgramResult;
    try {
      result = await runProgram(program, args, limits, this.#clock, this.#closing.signal);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return null;
      throw new DriverError('driver-failed', `Cannot run ${line}`, { cause: error });
    }
    if (result.killed !== null) {
      this.#killed = { group: result.group, atMs: this.#clock.now() };
      throw new DriverError('driver-failed', `${line} ${killReasons[result.killed]}`);
    }
    return result;
  }
}

function stuckError(pid: number): DriverError {
  return new DriverError(
    'driver-failed',
    `nvidia-smi (process ${pid}) was killed and does not die: a call to the NVIDIA kernel driver holds it, so no other is ` +
      "started for 5 minutes. 'dmesg | grep -e NVRM -e Xid' may tell which GPU it is; a GPU reset or a reboot frees it.",
  );
}

const killReasons = {
  deadline: `did not end within ${deadlineMs / 1000} s and was killed; a GPU or the driver hangs (see dmesg)`,
  'too-much-output': `printed more than ${maxOutputBytes / 1024 / 1024} MiB and was killed; is it nvidia-smi?`,
  aborted: 'was ended because the driver is closed',
} as const satisfies Record<NonNullable<ProgramResult['killed']>, string>;

/**
 * The error for an exit status other than 0, with nvidia-smi's own words. The meanings are those of its manual, "RETURN
 * VALUE".
 */
export function explainExit(args: readonly string[], result: ProgramResult): DriverError {
  const { exitCode, stdout, stderr } = result;
  const meaning = exitCode === null ? undefined : exitMeanings.get(exitCode);
  const ended = exitCode === null ? 'was ended by a signal' : `ended with status ${exitCode}`;
  const said = firstLine(stderr.trim() === '' ? stdout : stderr);
  return new DriverError(
    meaning?.code ?? 'driver-failed',
    `nvidia-smi ${args.join(' ')} ${ended}${meaning === undefined ? '' : ` (${meaning.text})`} and said ${said}`,
  );
}

const exitMeanings: ReadonlyMap<number, { code: 'no-driver' | 'driver-failed'; text: string }> = new Map([
  [2, { code: 'driver-failed', text: 'invalid argument' }],
  [3, { code: 'driver-failed', text: 'not available on this device' }],
  [4, { code: 'driver-failed', text: 'no permission' }],
  [6, { code: 'driver-failed', text: 'no such object' }],
  [8, { code: 'driver-failed', text: 'a power cable is not attached' }],
  [9, { code: 'no-driver', text: 'the NVIDIA driver is not loaded' }],
  [10, { code: 'driver-failed', text: 'an interrupt issue with a GPU' }],
  [12, { code: 'no-driver', text: 'libnvidia-ml cannot be found or loaded' }],
  [13, { code: 'driver-failed', text: 'libnvidia-ml is too old' }],
  [14, { code: 'driver-failed', text: 'an infoROM is corrupted' }],
  [15, { code: 'driver-failed', text: 'a GPU has fallen off the bus' }],
]);
