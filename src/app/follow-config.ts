import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { watchConfigFile } from '../config/watch.ts';
import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import type { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import type { NodeProbe } from './node-probe.ts';

export interface ConfigInputs {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `null`: flags, variables and defaults are all there is. */
  readonly configFile: string | null;
  /** The config without the file; good by the time the agent runs. */
  readonly withoutFile: Config;
}

/**
 * Puts each good config into `config` and says in `usable` that the first one is there. A wrong file is reported once, and the
 * last good config stays in force; before the first good one nothing is advertised.
 */
export async function followConfig(
  inputs: ConfigInputs,
  config: Latest<Config>,
  usable: Latest<boolean>,
  deps: { readonly clock: Clock; readonly log: Log; readonly probe: NodeProbe; readonly metrics: Metrics },
  signal: AbortSignal,
): Promise<void> {
  const { configFile, flags, env } = inputs;
  if (configFile === null) {
    deps.metrics.configValid(true);
    usable.set(true);
    await untilAborted(signal);
    return;
  }
  for await (const seen of watchConfigFile(configFile, deps, signal)) {
    const problems =
      'error' in seen
        ? [seen.error.message]
        : await takeOver({ path: configFile, text: seen.text }, flags, env, config, deps.log);
    deps.metrics.configValid(problems.length === 0);
    deps.probe.configProblem(problems.length === 0 ? null : problems.join('\n'));
    if (problems.length === 0) usable.set(true);
    else {
      const inForce = usable.value
        ? 'the last good config stays in force'
        : 'nothing is advertised until it is mended';
      deps.log.error({ file: configFile, problems }, `the config file is refused: ${inForce}`);
    }
  }
}

/** Takes the file's config over when it is good and another one; returns what is wrong with it. */
async function takeOver(
  file: { readonly path: string; readonly text: string },
  flags: ConfigInputs['flags'],
  env: ConfigInputs['env'],
  config: Latest<Config>,
  log: Log,
): Promise<readonly string[]> {
  const loaded = await loadConfig({ flags, env, file });
  if (loaded.kind === 'invalid') return renderProblems(loaded.problems);
  for (const note of loaded.notes) log.warn({ file: file.path }, note);
  if (!isDeepStrictEqual(loaded.config, config.value)) config.set(loaded.config);
  return [];
}
