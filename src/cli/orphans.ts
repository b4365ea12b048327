import { Option } from 'commander';
import { configFilePath, loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { readConfigText } from '../config/read-file.ts';
import { describeError, OperatorError } from '../lib/errors.ts';
import { readState, type KeptState } from '../state/state-file.ts';
import { createParser, parseWith } from './commander.ts';
import { printOrphans } from './print-orphans.ts';
import { releaseOrphans } from './release-orphans.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

interface OrphansOptions {
  readonly stateDir?: string;
  readonly output?: 'table' | 'json';
}

/** `slicewise orphans`: lists containers that the kubelet has lost, or takes an admin's word that they have ended. */
export const runOrphansCommand: RunCommand = async (args, terminal) => {
  let outcome: ExitCode = 0;
  const parser = createParser('slicewise orphans', terminal)
    .description(
      'Containers that the kubelet has lost its record of, on this node: what they were given stays booked.',
    )
    .helpCommand(false);
  const folder = [
    '--state-dir <folder>',
    "the agent's, where neither environment nor config file says",
  ] as const;
  parser
    .command('list', { isDefault: true })
    .description('Lists them, as the agent has written them down.')
    .option(...folder)
    .addOption(new Option('--output <format>', 'how').choices(['table', 'json']).default('table'))
    .addHelpText('after', '\nExit codes: 0 listed, 1 cannot be read, 2 wrong use or config.\n')
    .action(async ({ stateDir, output = 'table' }: OrphansOptions) => {
      outcome = await withState(stateDir, terminal, (state) => printOrphans(state, output, terminal));
    });
  parser
    .command('release')
    .description(
      'Tells the agent that none of them runs on a GPU any more: it gives out anew what they had there.',
    )
    .argument('<gpu>', 'UUID or index of the GPU')
    .option(...folder)
    .addHelpText(
      'after',
      '\nLook first, with nvidia-smi on the node: what is given out while a container still runs is given twice.' +
        '\nExit codes: 0 released, 1 not released, 2 wrong use or config.\n',
    )
    .action(async (gpu: string, { stateDir }: OrphansOptions) => {
      outcome = await withState(stateDir, terminal, (state, at) => releaseOrphans(gpu, state, at, terminal));
    });
  return (await parseWith(parser, args)) ?? outcome;
};

/** Runs with what the agent has written down, `null` where there is nothing, and the folder. */
async function withState(
  stateDir: string | undefined,
  terminal: Terminal,
  run: (state: KeptState | null, folder: string) => ExitCode | Promise<ExitCode>,
): Promise<ExitCode> {
  try {
    const folder = stateDir ?? (await configuredFolder(terminal));
    if (folder === null) return 2;
    const reading = await readState(folder);
    if (reading.kind === 'unusable') throw new OperatorError('bad-state', reading.reason);
    return await run(reading.kind === 'absent' ? null : reading.state, folder);
  } catch (thrown) {
    terminal.stderr.write(`slicewise: ${describeError(thrown)}\n`);
    return 1;
  }
}

/** `null` when the config cannot be used; why is said. */
async function configuredFolder({ env, stderr }: Terminal): Promise<string | null> {
  const path = configFilePath({ flags: {}, env });
  const file = path === null ? null : { path, text: await readConfigText(path) };
  const loaded = await loadConfig({ flags: {}, env, file });
  if (loaded.kind === 'ok') return loaded.config.flags.agent.stateDir;
  stderr.write(`${renderProblems(loaded.problems).join('\n')}\n`);
  return null;
}
