import type { Config } from '../config/config.ts';
import { configFilePath, loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { readConfigText } from '../config/read-file.ts';
import { describeError } from '../lib/errors.ts';
import type { RawFlags } from './agent-options.ts';
import type { Terminal } from './terminal.ts';

/** The config that the agent would have with these flags; `null` when something is wrong with it, which has been said. */
export async function loadGivenConfig(
  name: string,
  flags: RawFlags,
  { env, stderr }: Pick<Terminal, 'env' | 'stderr'>,
): Promise<Config | null> {
  const path = configFilePath({ flags, env });
  try {
    const file = path === null ? null : { path, text: await readConfigText(path) };
    const loaded = await loadConfig({ flags, env, file });
    if (loaded.kind === 'ok') return loaded.config;
    stderr.write(`slicewise ${name}: ${renderProblems(loaded.problems).join('\n  ')}\n`);
  } catch (thrown) {
    stderr.write(`slicewise ${name}: ${describeError(thrown)}\n`);
  }
  return null;
}
