import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { describeError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { DriverError } from '../driver.ts';
import type { Scenario } from './assemble-scenario.ts';
import { presetNames } from './scenario-schema.ts';
import { isPresetName, parseScenario, presetScenario } from './scenario.ts';

/** A scenario and how many were read before it, so that a reader sees that it is another one. */
export interface LoadedScenario {
  readonly scenario: Scenario;
  readonly generation: number;
}

/**
 * Where the scenario comes from: a preset, or a file that may change. A file that was good once and is bad now leaves the
 * good one in force and is complained about once.
 */
export class ScenarioSource {
  /** The file's path; null for a preset, which never changes. */
  readonly path: string | null;
  readonly #presetOrPath: string;
  readonly #log: Log;
  #loaded: LoadedScenario | null = null;
  #textInForce: string | null = null;
  #lastComplaint: string | null = null;

  constructor(presetOrPath: string, log: Log) {
    this.path = isPresetName(presetOrPath) ? null : presetOrPath;
    this.#presetOrPath = presetOrPath;
    this.#log = log;
  }

  /** The scenario in force as of the last look; null before a good one. */
  get current(): Scenario | null {
    return this.#loaded?.scenario ?? null;
  }

  /**
   * The scenario in force, after a look at the file.
   * @throws DriverError when none was ever good
   */
  load(): LoadedScenario {
    if (isPresetName(this.#presetOrPath))
      return (this.#loaded ??= { scenario: presetScenario(this.#presetOrPath), generation: 0 });
    try {
      this.#readFile(this.#presetOrPath);
      this.#lastComplaint = null;
    } catch (error) {
      if (this.#loaded === null)
        throw new DriverError('driver-failed', describeError(error), { cause: error });
      this.#complain(describeError(error));
    }
    if (this.#loaded === null)
      throw new DriverError('driver-failed', `The scenario ${this.#presetOrPath} could not be read`);
    return this.#loaded;
  }

  #readFile(path: string): void {
    const text = readText(path);
    if (text === this.#textInForce) return;
    const scenario = parseScenario(text, path, basename(path, extname(path)));
    this.#textInForce = text;
    this.#loaded = { scenario, generation: (this.#loaded?.generation ?? -1) + 1 };
    if (this.#loaded.generation > 0) this.#log.info({ path }, 'The scenario file changed and is read anew');
  }

  #complain(message: string): void {
    if (message === this.#lastComplaint) return;
    this.#lastComplaint = message;
    this.#log.warn({ path: this.path }, `${message}\nThe last good scenario stays in force; mend the file`);
  }
}

/**
 * At one stroke: the four turns through other threads that it takes otherwise are most of the way of a fault on a busy machine, and an
 * older content must not come after a newer one.
 */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `Cannot read the scenario file ${path}; give the path of a file or the name of a preset (${presetNames.join(', ')})`,
      {
        cause: error,
      },
    );
  }
}
