import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { describeMachine, judgeSpecFile, type MachineSpec, writeSpecFile } from '../app/cdi/machine-spec.ts';
import { driverSettings } from '../app/settings.ts';
import type { Config } from '../config/config.ts';
import { openDriver } from '../inventory/open-driver.ts';
import { systemClock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { addAgentOptions, doubleDashes, type RawFlags } from './agent-options.ts';
import { createParser, parseWith } from './commander.ts';
import { loadGivenConfig } from './load-given-config.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

/** What came of the file. */
type Outcome = 'written' | 'unchanged' | 'missing' | 'other';

/** `slicewise cdi`: describes the GPUs of a machine without a kubelet to Docker, Podman and other container engines. */
export const runCdiCommand: RunCommand = async (args, terminal) => {
  let outcome: ExitCode = 0;
  const parser = createParser('slicewise cdi', terminal)
    .description('Describes the GPUs of this machine to Docker and Podman, where no kubelet runs.')
    .helpCommand(false);
  const add = (name: string, description: string, codes: string, act: Act): void => {
    const command = parser
      .command(name)
      .description(description)
      .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
      .addHelpText(
        'after',
        `\nExit codes: ${codes}, 2 wrong use or config. See docs/without-kubernetes.md.\n`,
      );
    const flags = addAgentOptions(command);
    command.action(async (options: { readonly output: Format }, own: Command) => {
      outcome = await run({ act, flags, output: options.output, name: own.name() }, terminal);
    });
  };
  add(
    'write',
    'Writes the CDI spec of the GPUs, if it is not there as it should be, and prints the names of its devices.',
    '0 written or as it should be, 1 not written',
    async (spec) => ((await writeSpecFile(spec, dirname(spec.file))) === 'good' ? 'unchanged' : 'written'),
  );
  add('check', 'Says whether the CDI spec is as it should be.', '0 it is, 1 it is not', async (spec) => {
    const state = await judgeSpecFile(spec);
    return state === 'good' ? 'unchanged' : state;
  });
  if (args.length === 0) {
    terminal.stderr.write(parser.helpInformation());
    return 2;
  }
  return (await parseWith(parser, doubleDashes(args))) ?? outcome;
};

type Act = (spec: MachineSpec) => Promise<Outcome>;
type Format = 'text' | 'json';

interface Run {
  readonly act: Act;
  readonly flags: RawFlags;
  readonly output: Format;
  readonly name: string;
}

async function run({ act, flags, output, name }: Run, terminal: Terminal): Promise<ExitCode> {
  const config = await loadGivenConfig(`cdi ${name}`, flags, terminal);
  if (config === null) return 2;
  try {
    const spec = await describe(config, terminal);
    const outcome = await act(spec);
    for (const note of spec.notes) terminal.stderr.write(`slicewise cdi ${name}: ${note}\n`);
    const { file, devices } = spec;
    terminal.stdout.write(
      output === 'json'
        ? `${JSON.stringify({ file, outcome, devices }, null, 2)}\n`
        : `${file} ${words[outcome]}\n${devices.map((device) => `${device}\n`).join('')}`,
    );
    return outcome === 'written' || outcome === 'unchanged' ? 0 : 1;
  } catch (thrown) {
    terminal.stderr.write(`slicewise cdi ${name}: ${describeError(thrown)}\n`);
    return 1;
  }
}

const words = {
  written: 'was written; it describes',
  unchanged: 'is as it should be; it describes',
  missing: 'is not there; it should describe',
  other: 'says something else; it should describe',
} as const satisfies Readonly<Record<Outcome, string>>;

async function describe(config: Config, { self }: Terminal): Promise<MachineSpec> {
  await using driver = openDriver(
    { ...driverSettings(config), self },
    { clock: systemClock, log: silentLog() },
  );
  return describeMachine(await driver.snapshot(), config);
}
