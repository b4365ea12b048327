import { Option } from 'commander';
import { OperatorError } from '../lib/errors.ts';
import { readState, type KeptState } from '../state/state-file.ts';
import { createParser, parseWith } from './commander.ts';
import { printOrphans } from './print-orphans.ts';
import { releaseOrphans } from './release-orphans.ts';
import { addStateFolderOptions, type StateFolderOptions, withStateFolder } from './state-folder.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

interface OrphansOptions extends StateFolderOptions {
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
  addStateFolderOptions(parser.command('list', { isDefault: true }))
    .description('Lists them, as the agent has written them down.')
    .addOption(new Option('--output <format>', 'how').choices(['table', 'json']).default('table'))
    .addHelpText('after', '\nExit codes: 0 listed, 1 cannot be read, 2 wrong use or config.\n')
    .action(async ({ output = 'table', ...place }: OrphansOptions) => {
      outcome = await withState(place, terminal, (state) => printOrphans(state, output, terminal));
    });
  addStateFolderOptions(parser.command('release'))
    .description(
      'Tells the agent that none of them runs on a GPU any more: it gives out anew what they had there.',
    )
    .argument('<gpu>', 'UUID or index of the GPU')
    .addHelpText(
      'after',
      '\nLook first, with nvidia-smi on the node: what is given out while a container still runs is given twice.' +
        '\nExit codes: 0 released, 1 not released, 2 wrong use or config.\n',
    )
    .action(async (gpu: string, place: StateFolderOptions) => {
      outcome = await withState(place, terminal, (state, at) => releaseOrphans(gpu, state, at, terminal));
    });
  return (await parseWith(parser, args)) ?? outcome;
};

/** Runs with what the agent has written down, `null` where there is nothing, and the folder. */
async function withState(
  place: StateFolderOptions,
  terminal: Terminal,
  run: (state: KeptState | null, folder: string) => ExitCode | Promise<ExitCode>,
): Promise<ExitCode> {
  return withStateFolder('orphans', place, terminal, async (folder) => {
    const reading = await readState(folder);
    if (reading.kind === 'unusable') throw new OperatorError('bad-state', reading.reason);
    return run(reading.kind === 'absent' ? null : reading.state, folder);
  });
}
