import type { Config } from '../../config/config.ts';
import { watchConfigFile } from '../../config/watch.ts';
import { untilAborted } from '../../lib/abort.ts';
import type { Latest } from '../../lib/latest.ts';
import { followNodeConfig } from './follow-node-config.ts';
import type { PerNodeConfig } from './per-node-config.ts';
import { ConfigTaker, type TakeConfigDeps } from './take-config.ts';

export interface ConfigInputs {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `null`: flags, variables and defaults are all there is, or one is picked for this node. */
  readonly configFile: string | null;
  /** Where the config of this node is picked from; `null` when all nodes have the same. */
  readonly perNode: PerNodeConfig | null;
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
  deps: TakeConfigDeps,
  signal: AbortSignal,
): Promise<void> {
  const { configFile, perNode } = inputs;
  const taker = new ConfigTaker(inputs, config, usable, deps);
  if (perNode !== null) return followNodeConfig(perNode, taker, deps, signal);
  if (configFile === null) {
    deps.metrics.configValid(true);
    usable.set(true);
    await untilAborted(signal);
    return;
  }
  for await (const seen of watchConfigFile(configFile, deps, signal)) {
    const problems = await taker.take(seen, { path: configFile, isOfThisNode: false });
    deps.probe.configProblem(problems.length === 0 ? null : problems.join('\n'));
  }
}
