import { Option, type Command } from 'commander';
import { describeMissing, flagNames, type Setting, type SettingGroup } from '../config/setting.ts';
import { settingRows } from '../config/settings.ts';
import { createParser, parseWith } from './commander.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** The flags of `slicewise agent` as `loadConfig` takes them, or how to exit: help was asked for, or the usage is wrong. */
export type AgentOptions =
  { readonly kind: 'flags'; readonly flags: RawFlags } | { readonly kind: 'exit'; readonly code: ExitCode };

/** Long names without dashes, as the person wrote them, with their text; lists and repeated flags with all of them. */
export type RawFlags = Readonly<Record<string, unknown>>;

/** Parses the arguments of `slicewise agent`. Neither values nor names are judged here. */
export async function parseAgentOptions(args: readonly string[], terminal: Terminal): Promise<AgentOptions> {
  const parser = createParser('slicewise agent', terminal)
    .description('Serves the GPUs of this node to the kubelet, until it is told to stop.')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText(
      'after',
      '\nA flag counts before its environment variable, that before the config file, that before the default.' +
        '\nVariables alone, without a flag: DP_DISABLE_HEALTHCHECKS, DP_ENABLE_HEALTHCHECKS (not in this version yet).' +
        '\nSettings that only the file has: slicewise config schema. Exit codes: 0 stopped, 1 failed, 2 wrong use or config.\n',
    );
  const flags = addAgentOptions(parser);
  let unknown: RawFlags = {};
  parser.action(() => {
    unknown = readUnknown(parser);
  });
  const code = await parseWith(parser, doubleDashes(args));
  return code === null ? { kind: 'flags', flags: { ...unknown, ...flags } } : { kind: 'exit', code };
}

/** Flags that do not exist: left to the check of the config, which shows them with all else that is wrong. */
function readUnknown(parser: Command): RawFlags {
  const unknown: Record<string, unknown> = {};
  let before = '';
  for (const arg of parser.args) {
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name !== undefined) unknown[name] = true;
    else if (arg.startsWith('-')) parser.error(`error: unknown option '${arg}'`);
    else if (!before.startsWith('--') || before.includes('='))
      parser.error(`error: 'agent' takes options only, but was given '${arg}'`);
    before = arg;
  }
  return unknown;
}

/** Adds every option of `slicewise agent`; the record fills as the parser reads them. */
export function addAgentOptions(command: Command): RawFlags {
  const flags: Record<string, unknown> = {};
  for (const [, setting] of settingRows) {
    for (const name of flagNames(setting)) addOption(command, setting, name, flags);
  }
  return flags;
}

/** `-mig-strategy` as `--mig-strategy`: Go's flag parser takes both, and people write both. */
export function doubleDashes(args: readonly string[]): string[] {
  const names = new Set(settingRows.flatMap(([, setting]) => flagNames(setting)));
  return args.map((arg) => {
    const name = /^-([a-z][a-z-]+)(?:=|$)/.exec(arg)?.[1];
    return name !== undefined && names.has(name) ? `-${arg}` : arg;
  });
}

function addOption(
  command: Command,
  setting: Setting<unknown>,
  name: string,
  flags: Record<string, unknown>,
): void {
  const option = new Option(`--${name} ${placeholders[setting.kind.shape]}`, describe(setting));
  option.helpGroup(headings[setting.group] ?? 'Options:');
  if (name !== setting.flag) option.hideHelp();
  command.addOption(option);
  command.on(`option:${name}`, (text: string | null | undefined) => {
    const before = flagNames(setting).flatMap((each) => flags[each] ?? []);
    // The last of several counts, whichever of its names it goes by; lists add up.
    for (const each of flagNames(setting)) delete flags[each];
    flags[name] = setting.kind.shape === 'list' ? [...before, text ?? ''] : (text ?? true);
  });
}

const placeholders = { switch: '[true|false]', single: '<value>', list: '<list>' } as const;

const headings: Partial<Record<SettingGroup, string>> = {
  nvidia: "Options of NVIDIA's device plugin:",
  imex: "Options of NVIDIA's device plugin:",
  agent: 'Options of Slicewise:',
  cluster: 'Options of Slicewise:',
  pernode: 'Options for a config of each node:',
  labels: 'Options for labels:',
  gfd: 'Options for labels:',
  memory: 'Options for GPU memory:',
  health: 'Options for health:',
};

function describe(setting: Setting<unknown>): string {
  const { kind, aliases, env, description } = setting;
  const preset = setting.default === null ? 'none' : formatDefault(kind.toFile(setting.default));
  const facts = [
    ...(kind.words.length > 0 ? [kind.words.join('|')] : []),
    ...(describeMissing(setting) === '' ? [] : [describeMissing(setting)]),
    ...(aliases.length > 0 ? [`also ${aliases.map((alias) => `--${alias}`).join(', ')}`] : []),
    `env ${env.join(', ')}`,
    `default ${preset}`,
  ];
  return `${description} (${facts.join('; ')})`;
}

function formatDefault(fileForm: unknown): string {
  const text = Array.isArray(fileForm) ? fileForm.join(',') : String(fileForm);
  return text === '' ? 'empty' : text;
}
