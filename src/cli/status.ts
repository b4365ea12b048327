import { Option } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { describeError, OperatorError } from '../lib/errors.ts';
import { askStatus, watchStatus, type AskedAgent } from '../status/ask-status.ts';
import { statusFolder } from '../status/status-socket.ts';
import { createParser, parseWith } from './commander.ts';
import { addStateFolderOptions, findStateFolder, type StateFolderOptions } from './state-folder.ts';
import { jsonPrinter, textPrinter, type StatusPrinter } from './status-output.ts';
import type { RunCommand, Terminal } from './terminal.ts';

interface StatusOptions extends StateFolderOptions {
  readonly output: 'text' | 'json';
  readonly watch: boolean;
}

/** `slicewise status`: asks the agent of this node who holds which GPU. */
export const runStatusCommand: RunCommand = async (args, terminal) => {
  const parser = addStateFolderOptions(createParser('slicewise status', terminal))
    .description(
      'Shows the GPUs of this node and the containers that hold them, as the agent that runs here has it. Needs root.',
    )
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    .option(
      '--watch',
      'show it anew after each change, until interrupted; with json one document a line',
      false,
    )
    .addHelpText('after', '\nExit codes: 0 shown, 1 no agent answers, 2 wrong use.\n')
    .action(() => {});
  const code = await parseWith(parser, args);
  if (code !== null) return code;
  const options = parser.opts<StatusOptions>();
  const stateFolder = await findStateFolder('status', options, terminal);
  if (stateFolder === null) return 2;
  const folder = statusFolder(stateFolder);
  const print = (options.output === 'json' ? jsonPrinter : textPrinter)(terminal.stdout, options.watch);
  try {
    const asked = await askStatus(folder);
    if (!options.watch) print(asked.status);
    else await watch(asked, folder, print, terminal);
    return 0;
  } catch (thrown) {
    terminal.stderr.write(`slicewise status: ${describeError(thrown)}\n`);
    return 1;
  }
};

const lookAgainMs = 500;

/** Follows the agent, and after its end the next one: an update must not end the watch. */
async function watch(
  first: AskedAgent,
  folder: string,
  print: StatusPrinter,
  { stderr, signal }: Terminal,
): Promise<void> {
  let asked: AskedAgent | null = first;
  let wasServed = false;
  while (!signal.aborted) {
    if (asked !== null) {
      try {
        for await (const status of watchStatus(asked.socket, signal)) {
          wasServed = status.agent.role === 'serving';
          print(status);
        }
      } catch (thrown) {
        // What the agent itself says will not change by asking again; a broken connection means that it has ended.
        if (thrown instanceof OperatorError) throw thrown;
      }
      if (signal.aborted) return;
      if (wasServed) stderr.write('slicewise status: this agent serves no more: looking for another one\n');
      wasServed = false;
    }
    await systemClock.sleep(lookAgainMs, signal).catch(() => undefined);
    asked = await askStatus(folder).catch(() => null);
  }
}
