import { configJsonSchema } from '../config/json-schema.ts';
import { addAgentOptions, doubleDashes } from './agent-options.ts';
import { createParser, parseWith } from './commander.ts';
import { checkConfig, checkNvidiaConfig } from './config-check.ts';
import { printConfig, type PrintFormat } from './config-print.ts';
import type { ExitCode, RunCommand } from './terminal.ts';
import { Option } from 'commander';

/** `slicewise config`: judges a config file, prints the effective configuration, or the schema of the file. */
export const runConfigCommand: RunCommand = async (args, terminal) => {
  let outcome: ExitCode = 0;
  const parser = createParser('slicewise config', terminal)
    .description('Checks a config file, prints the effective configuration or the JSON Schema of the file.')
    .helpCommand(false);

  parser
    .command('check')
    .description('Says whether a config file is good, or everything that is wrong with it.')
    .argument('<file>', 'config file, YAML or JSON')
    .option(
      '--from-nvidia',
      "say instead what in a file of NVIDIA's device plugin would act differently here",
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 good, 2 not good. With --from-nvidia: 0 nothing acts differently, 1 something does, 2 unreadable.\n',
    )
    .action(async (file: string, { fromNvidia }: { readonly fromNvidia?: boolean }) => {
      outcome = await (fromNvidia === true ? checkNvidiaConfig : checkConfig)(file, terminal);
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
