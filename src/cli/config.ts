import { configJsonSchema } from '../config/json-schema.ts';
import { addAgentOptions, doubleDashes } from './agent-options.ts';
import { createParser, parseWith } from './commander.ts';
import { checkConfig, checkNvidiaConfig } from './config-check.ts';
import { printConfig, type PrintFormat } from './config-print.ts';
import { checkConfigFolder, type FolderToCheck } from './config-check-folder.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';
import { type Command, Option } from 'commander';

interface CheckOptions extends Partial<FolderToCheck> {
  readonly fromNvidia?: boolean;
  readonly perNode?: boolean;
}

/** `slicewise config`: judges a config file, prints the effective configuration, or the schema of the file. */
export const runConfigCommand: RunCommand = async (args, terminal) => {
  let outcome: ExitCode = 0;
  const parser = createParser('slicewise config', terminal)
    .description('Checks a config file, prints the effective configuration or the JSON Schema of the file.')
    .helpCommand(false);

  parser
    .command('check')
    .description('Says whether a config file is good, or everything that is wrong with it.')
    .argument('[file]', 'config file, YAML or JSON')
    .option(
      '--from-nvidia',
      "say instead what in a file of NVIDIA's device plugin would act differently here",
    )
    .option('--per-node', 'the file is of some nodes only, so it may not say what is the same on all')
    .option(
      '--config-dir <folder>',
      'check every file of the folder as one of some nodes, and say which of them a node gets',
    )
    .option('--label <value>', 'what the label of that node says; without it, or empty, the node has none')
    .option('--default-config <name>', "as the agent's flag")
    .option('--fallback-strategies <list>', "as the agent's flag")
    .addHelpText(
      'after',
      '\nExit codes: 0 good, 2 not good. With --from-nvidia: 0 nothing acts differently, 1 something does, 2 unreadable.\n',
    )
    .action(async (file: string | undefined, options: CheckOptions, command: Command) => {
      outcome = await check(file, options, command, terminal);
    });

  const print = parser
    .command('print')
    .description(
      'Prints the effective configuration of the flags, environment and file that the agent would be given.',
    )
    .addOption(
      new Option('--output <format>', 'yaml prints a config file that says the same')
        .choices(['table', 'yaml', 'json'])
        .default('table'),
    )
    .option('--resources', "read this node's GPUs, and say what the configuration makes of them")
    .addHelpText(
      'after',
      '\nExit codes: 0 printed, 1 the GPUs cannot be read (--resources), 2 the configuration is not good.\n',
    );
  const flags = addAgentOptions(print);
  print.action(
    async ({ output, resources }: { readonly output: PrintFormat; readonly resources?: boolean }) => {
      outcome = await printConfig(flags, resources === true ? 'resources' : output, terminal);
    },
  );

  parser
    .command('schema')
    .description('Prints the JSON Schema of the config file.')
    .action(() => void terminal.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`));

  if (args.length === 0) {
    terminal.stderr.write(parser.helpInformation());
    return 2;
  }
  return (await parseWith(parser, doubleDashes(args))) ?? outcome;
};

/** What goes together is asked here: the parser knows flags one by one. */
async function check(
  file: string | undefined,
  { fromNvidia = false, perNode = false, configDir, ...picking }: CheckOptions,
  command: Command,
  terminal: Terminal,
): Promise<ExitCode> {
  if (configDir !== undefined) {
    if (file !== undefined || fromNvidia)
      command.error('error: --config-dir goes neither with a file nor with --from-nvidia');
    return checkConfigFolder({ ...picking, configDir }, terminal);
  }
  if (file === undefined) return command.error("error: missing required argument 'file', or --config-dir");
  if (Object.keys(picking).length > 0)
    command.error('error: --label, --default-config and --fallback-strategies go with --config-dir');
  if (fromNvidia && perNode) command.error('error: --from-nvidia does not go with --per-node');
  return fromNvidia
    ? checkNvidiaConfig(file, terminal)
    : checkConfig({ path: file, isOfThisNode: perNode }, terminal);
}
