import { loadConfig, type ConfigSources, type LoadResult } from '../../src/config/load.ts';
import { renderProblems } from '../../src/config/problem.ts';

/** What a test gives to the loader; the file's path is c.yaml. */
export interface Given {
  readonly flags?: ConfigSources['flags'];
  readonly env?: ConfigSources['env'];
  readonly file?: string;
}

async function load({ flags = {}, env = {}, file }: Given): Promise<LoadResult> {
  return loadConfig({ flags, env, file: file === undefined ? null : { path: 'c.yaml', text: file } });
}

/** Loads what has to be good. */
export async function loadGood(given: Given): Promise<Extract<LoadResult, { kind: 'ok' }>> {
  const loaded = await load(given);
  if (loaded.kind === 'invalid') throw new Error(renderProblems(loaded.problems).join('\n'));
  return loaded;
}

/** Where the configuration is wrong and every problem as a line; empty when it is good. */
export async function problemsOf(given: Given): Promise<readonly string[]> {
  const loaded = await load(given);
  return loaded.kind === 'ok' ? [] : [loaded.where, ...renderProblems(loaded.problems)];
}
