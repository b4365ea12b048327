import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/config.ts';
import { type ConfigFile, loadConfig } from '../../config/load.ts';
import { renderProblems } from '../../config/problem.ts';
import type { ConfigReading } from '../../config/watch.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../metrics/collect.ts';
import type { NodeProbe } from '../node-probe.ts';

export interface TakeConfigDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly probe: NodeProbe;
  readonly metrics: Metrics;
}

/** What counts beside the file. */
interface Given {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Takes a config file over as a whole, or not at all: then it says why, and the last good config stays in force. */
export class ConfigTaker {
  readonly #given: Given;
  readonly #config: Latest<Config>;
  readonly #usable: Latest<boolean>;
  readonly #deps: TakeConfigDeps;

  /** @param usable whether there has been a good config */
  constructor(given: Given, config: Latest<Config>, usable: Latest<boolean>, deps: TakeConfigDeps) {
    this.#given = given;
    this.#config = config;
    this.#usable = usable;
    this.#deps = deps;
  }

  /** What a refusal means for the node, for a person. */
  get consequence(): string {
    return this.#usable.value
      ? 'the last good config stays in force'
      : 'nothing is advertised until it is mended';
  }

  /** Returns what is wrong with what was read; nothing when it is in force now. */
  async take(reading: ConfigReading, file: Omit<ConfigFile, 'text'>): Promise<readonly string[]> {
    const { log, metrics } = this.#deps;
    const problems =
      'error' in reading ? [reading.error.message] : await this.#takeOver({ ...file, text: reading.text });
    metrics.configValid(problems.length === 0);
    if (problems.length === 0) this.#usable.set(true);
    else log.error({ file: file.path, problems }, `the config file is refused: ${this.consequence}`);
    return problems;
  }

  async #takeOver(file: ConfigFile): Promise<readonly string[]> {
    const loaded = await loadConfig({ ...this.#given, file });
    if (loaded.kind === 'invalid') return renderProblems(loaded.problems);
    for (const note of loaded.notes) this.#deps.log.warn({ file: file.path }, note);
    if (!isDeepStrictEqual(loaded.config, this.#config.value)) this.#config.set(loaded.config);
    return [];
  }
}
