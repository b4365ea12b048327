import { setImmediate as nextTurn } from 'node:timers/promises';
import { openDriverFor } from '../app/open-driver-for.ts';
import type { Config } from '../config/config.ts';
import { configFilePath, loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { systemClock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { parseAgentOptions } from './agent-options.ts';
import type { RunCommand, Terminal } from './terminal.ts';

/** `slicewise agent`: serves the node until it is told to stop. */
export const runAgentCommand: RunCommand = async (args, terminal) => {
  const parsed = await parseAgentOptions(args, terminal);
  if (parsed.kind === 'exit') return parsed.code;
  const { flags } = parsed;
  const loaded = await loadConfig({ flags, env: terminal.env, file: null });
  if (loaded.kind === 'invalid') {
    const lines = renderProblems(loaded.problems).map((text) => `  ${text}\n`);
    terminal.stderr.write(`slicewise agent: wrong flags or environment\n${lines.join('')}`);
    return 2;
  }
  const configFile = configFilePath({ flags, env: terminal.env });
  await serve({ flags, configFile, withoutFile: loaded.config }, loaded.notes, terminal);
  return 0;
};

interface Given {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly configFile: string | null;
  readonly withoutFile: Config;
}

async function serve(given: Given, notes: readonly string[], { env, self, signal }: Terminal): Promise<void> {
  const deps = { clock: systemClock, log: createLog(given.withoutFile.flags.agent.logLevel) };
  const open = (config: Config): ReturnType<typeof openDriverFor> => openDriverFor(config, self, deps);
  // The process that holds the driver's library starts while the rest of this program is loaded, which takes as long. With
  // a file it is not known yet which driver will be asked for.
  let early = given.configFile === null ? open(given.withoutFile) : null;
  await nextTurn();
  const { runAgent } = await import('../app/agent.ts');
  const openDriver = (config: Config): ReturnType<typeof open> => {
    const driver = config === given.withoutFile ? early : null;
    early = null;
    return driver ?? open(config);
  };
  if (given.configFile === null) for (const note of notes) deps.log.warn(note);
  try {
    await runAgent({ ...given, env, openDriver }, deps, signal);
  } finally {
    await early?.[Symbol.asyncDispose]();
  }
}
