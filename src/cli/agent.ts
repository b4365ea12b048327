import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { perNodeConfig, type PerNodeConfig } from '../app/config/per-node-config.ts';
import { type DriverSettings, driverSettings } from '../app/settings.ts';
import type { Config } from '../config/config.ts';
import { configFilePath, loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import type { Driver } from '../inventory/driver.ts';
import { openDriver } from '../inventory/open-driver.ts';
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
  const perNode = perNodeConfig(loaded.values, loaded.config);
  await serve({ flags, configFile, perNode, withoutFile: loaded.config }, loaded.notes, terminal);
  return 0;
};

interface Given {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly configFile: string | null;
  readonly perNode: PerNodeConfig | null;
  readonly withoutFile: Config;
}

async function serve(given: Given, notes: readonly string[], terminal: Terminal): Promise<void> {
  const { env, self, signal, nodeVersion } = terminal;
  const deps = { clock: systemClock, log: createLog(given.withoutFile.flags.agent.logLevel) };
  const open = (settings: DriverSettings): Driver => openDriver({ ...settings, self }, deps);
  const first = driverSettings(given.withoutFile);
  // The process that holds the driver's library starts while the rest of this program is loaded, which takes as long. With
  // a file it is not known yet which driver will be asked for.
  const hasFile = given.configFile !== null || given.perNode !== null;
  let early = hasFile ? null : open(first);
  await nextTurn();
  const { runAgent } = await import('../app/agent.ts');
  const openOrTakeEarly = (settings: DriverSettings): Driver => {
    const driver = isDeepStrictEqual(settings, first) ? early : null;
    if (driver !== null) early = null;
    return driver ?? open(settings);
  };
  if (!hasFile) for (const note of notes) deps.log.warn(note);
  try {
    await runAgent({ ...given, env, nodeVersion, openDriver: openOrTakeEarly }, deps, signal);
  } finally {
    await early?.[Symbol.asyncDispose]();
  }
}
