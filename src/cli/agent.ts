import { runAgent } from '../app/agent.ts';
import { configFilePath, loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { systemClock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { parseAgentOptions } from './agent-options.ts';
import type { RunCommand } from './terminal.ts';

/** `slicewise agent`: serves the node until it is told to stop. */
export const runAgentCommand: RunCommand = async (args, terminal) => {
  const parsed = await parseAgentOptions(args, terminal);
  if (parsed.kind === 'exit') return parsed.code;
  const { flags } = parsed;
  const { env, self, signal } = terminal;
  const loaded = await loadConfig({ flags, env, file: null });
  if (loaded.kind === 'invalid') {
    terminal.stderr.write(
      `slicewise agent: wrong flags or environment\n${lines(renderProblems(loaded.problems))}`,
    );
    return 2;
  }
  const log = createLog(loaded.config.flags.agent.logLevel);
  const configFile = configFilePath({ flags, env });
  if (configFile === null) for (const note of loaded.notes) log.warn(note);
  await runAgent(
    { flags, env, configFile, withoutFile: loaded.config, self },
    { clock: systemClock, log },
    signal,
  );
  return 0;
};

function lines(texts: readonly string[]): string {
  return texts.map((text) => `  ${text}\n`).join('');
}
