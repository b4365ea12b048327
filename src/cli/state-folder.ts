import { resolve } from 'node:path';
import type { Command } from 'commander';
import { configFilePath, loadConfig, settingInFile } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { readConfigText } from '../config/read-file.ts';
import { settings } from '../config/settings.ts';
import { describeError } from '../lib/errors.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** What says where the agent of this node keeps its things. */
export interface StateFolderOptions {
  readonly stateDir?: string;
  readonly configFile?: string;
}

/** Adds the flags of `StateFolderOptions`. */
export function addStateFolderOptions(command: Command): Command {
  const { env, default: preset } = settings['flags.agent.stateDir'];
  return command
    .option('--state-dir <path>', `the agent's own --state-dir (env ${env.join(', ')}; default ${preset})`)
    .option('--config-file <path>', "the agent's config file, if that is where it has its state folder from");
}

/** Runs with the state folder of this node's agent; what is thrown is said, and is code 1. */
export async function withStateFolder(
  name: string,
  place: StateFolderOptions,
  terminal: Terminal,
  run: (folder: string) => ExitCode | Promise<ExitCode>,
): Promise<ExitCode> {
  try {
    const folder = await findStateFolder(name, place, terminal);
    return folder === null ? 2 : await run(folder);
  } catch (thrown) {
    terminal.stderr.write(`slicewise: ${describeError(thrown)}\n`);
    return 1;
  }
}

/**
 * The state folder of this node's agent: by flag, variable or config file, in this order. A file counts for this alone, whatever else is
 * wrong with it, and one that cannot be read is said and passed by: the agent itself goes by its last good config. Where each node has a
 * config of its own, no file says it.
 * @returns `null` when a flag or a variable is wrong, which has been said
 */
export async function findStateFolder(
  name: string,
  { stateDir, configFile }: StateFolderOptions,
  { env, stderr }: Pick<Terminal, 'env' | 'stderr'>,
): Promise<string | null> {
  const flags = { 'state-dir': stateDir, 'config-file': configFile };
  const loaded = await loadConfig({ flags, env, file: null });
  if (loaded.kind === 'invalid') {
    stderr.write(`slicewise ${name}: ${renderProblems(loaded.problems).join('\n  ')}\n`);
    return null;
  }
  const folder = loaded.config.flags.agent.stateDir;
  const path = configFilePath({ flags, env });
  if (path === null || loaded.origins.get('flags.agent.stateDir')?.kind !== 'default') return resolve(folder);
  try {
    const text = await readConfigText(path);
    return resolve((await settingInFile('flags.agent.stateDir', { path, text })) ?? folder);
  } catch (thrown) {
    stderr.write(`slicewise ${name}: ${describeError(thrown)}; looking in ${folder}\n`);
    return resolve(folder);
  }
}
