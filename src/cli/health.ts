import { Option } from 'commander';
import { describeHealth } from '../app/health/health-status.ts';
import { describeError, OperatorError } from '../lib/errors.ts';
import { readVerdicts } from '../state/verdict-file.ts';
import { askStatus } from '../status/ask-status.ts';
import { statusFolder } from '../status/status-socket.ts';
import { acknowledgeHealth } from './acknowledge-health.ts';
import { createParser, parseWith } from './commander.ts';
import { printHealth, type HealthReport } from './print-health.ts';
import { addStateFolderOptions, type StateFolderOptions, withStateFolder } from './state-folder.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

interface HealthOptions extends StateFolderOptions {
  readonly output?: 'table' | 'json';
}

/** `slicewise health`: what is held against the GPUs of this node, and an admin's word that one is to be used all the same. */
export const runHealthCommand: RunCommand = async (args, terminal) => {
  let outcome: ExitCode = 0;
  const parser = createParser('slicewise health', terminal)
    .description('How the GPUs of this node are, why, and what is to be done. Needs root.')
    .helpCommand(false);
  addStateFolderOptions(parser.command('list', { isDefault: true }))
    .description('Shows each GPU with what is held against it.')
    .addOption(new Option('--output <format>', 'how').choices(['table', 'json']).default('table'))
    .addHelpText(
      'after',
      '\nExit codes: 0 shown, 1 no agent answers (then what was written down last is shown), 2 wrong use or config.\n',
    )
    .action(async ({ output = 'table', ...place }: HealthOptions) => {
      outcome = await withStateFolder('health', place, terminal, async (at) => {
        const report = await readHealth(at, terminal);
        printHealth(report, output, terminal);
        return report.isLive ? 0 : 1;
      });
    });
  addStateFolderOptions(parser.command('ack'))
    .description(
      'Tells the agent to give a GPU out again in spite of what is held against it. What the driver goes on showing is then lived with.',
    )
    .argument('<gpu>', 'UUID or index of the GPU')
    .addHelpText(
      'after',
      '\nLook first: a GPU that was reset or that has been through a reboot comes back by itself.' +
        '\nExit codes: 0 acknowledged, 1 not acknowledged, 2 wrong use or config.\n',
    )
    .action(async (gpu: string, place: StateFolderOptions) => {
      outcome = await withStateFolder('health', place, terminal, async (at) =>
        acknowledgeHealth(gpu, () => readHealth(at, terminal), at, terminal),
      );
    });
  return (await parseWith(parser, args)) ?? outcome;
};

/** What the agent that serves the node says; where none answers, what was written down last. */
async function readHealth(folder: string, { stderr }: Pick<Terminal, 'stderr'>): Promise<HealthReport> {
  try {
    const { status } = await askStatus(statusFolder(folder));
    return {
      isLive: true,
      gpus: [
        ...status.gpus.flatMap(({ index, uuid, health }) =>
          health === null ? [] : [{ index, uuid, ...health }],
        ),
        ...status.missing.map(({ uuid, health }) => ({ index: null, uuid, ...health })),
      ],
    };
  } catch (thrown) {
    stderr.write(`slicewise health: ${describeError(thrown)}\nWhat follows was written down last.\n`);
  }
  const reading = await readVerdicts(folder);
  if (reading.kind === 'unusable') throw new OperatorError('bad-state', reading.reason);
  const kept = reading.kind === 'absent' ? [] : reading.kept.gpus;
  const health = describeHealth({ gpus: new Map(kept.map((gpu) => [gpu.gpu, gpu])) });
  return { isLive: false, gpus: [...health].map(([uuid, each]) => ({ index: null, uuid, ...each })) };
}
