import { readEnvironment, readFlags } from './command-line.ts';
import { toConfig, type Config } from './config.ts';
import { crossChecks } from './cross-checks.ts';
import { readDocument } from './document.ts';
import { readFile } from './file-layer.ts';
import type { GivenValue, Layer } from './layer.ts';
import { configNotes } from './notes.ts';
import { problem, type ConfigProblem, type Origin } from './problem.ts';
import { allowedInstead } from './setting.ts';
import { settingRows, settings, toFileForm, type SettingKey, type SettingValues } from './settings.ts';

/** Everything a configuration is made from, as text. */
export interface ConfigSources {
  /** Long name of each flag given, without dashes, with its text, `true` for a flag that stood alone, or a list. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: ConfigFile | null;
}

/** A config file's content. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  /** Whether other nodes have other files, so that it may not say what has to be the same on all of them. */
  readonly isOfThisNode?: boolean;
}

export type LoadResult =
  | {
      readonly kind: 'ok';
      readonly config: Config;
      /** The value of every setting by its key, before defaults that follow from others. */
      readonly values: SettingValues;
      readonly origins: ReadonlyMap<SettingKey, Origin>;
      /** What an administrator should know, one sentence each. */
      readonly notes: readonly string[];
    }
  | {
      readonly kind: 'invalid';
      /** `command-line` when a flag or variable is wrong, whatever else is; `file` when only the file is. */
      readonly where: 'command-line' | 'file';
      readonly problems: readonly ConfigProblem[];
    };

/**
 * Makes the configuration: for each setting the flag counts before the variable, the variable before the file, the file
 * before the default. Never throws on bad input: all problems of all sources come back at once.
 */
export async function loadConfig({ flags, env, file }: ConfigSources): Promise<LoadResult> {
  const fromFile = file === null ? null : await fileLayer(file);
  const layers = [readFlags(flags), readEnvironment(env), ...(fromFile === null ? [] : [fromFile])];
  const given = merge(layers);
  const origins = new Map(
    settingRows.map(([key]) => [key, given.get(key)?.origin ?? ({ kind: 'default' } as const)]),
  );
  const values = Object.fromEntries(
    settingRows.map(([key, { default: preset }]) => [key, given.has(key) ? given.get(key)?.value : preset]),
  ) as unknown as SettingValues;
  const refused = layers.reduce((all, layer) => all.union(layer.refused), new Set<SettingKey>());
  const problems = [
    ...layers.flatMap((layer) => layer.problems),
    ...missingFeatures(given),
    ...(fromFile !== null && file?.isOfThisNode === true ? forAllNodes(fromFile) : []),
    ...conflicts(values, given, refused, file === null),
  ];
  if (problems.length > 0) {
    const where = problems.every(({ origin }) => origin.kind === 'file') ? 'file' : 'command-line';
    return { kind: 'invalid', where, problems: problems.toSorted((one, other) => order(one) - order(other)) };
  }
  const notes = configNotes(values, (key) => origins.get(key) ?? { kind: 'default' });
  return { kind: 'ok', config: toConfig(values), values, origins, notes };
}

/** The path of the config file that flags or environment name, or `null`; a flag counts before the variable. */
export function configFilePath({ flags, env }: Pick<ConfigSources, 'flags' | 'env'>): string | null {
  const given = merge([readFlags(flags), readEnvironment(env)]).get('--config-file')?.value;
  return typeof given === 'string' && given !== '' ? given : null;
}

/** What a file says of one setting, whatever is wrong with the rest of it; undefined where it says nothing that is allowed. */
export async function settingInFile<Key extends SettingKey>(
  key: Key,
  file: ConfigFile,
): Promise<SettingValues[Key] | undefined> {
  const { values } = await fileLayer(file);
  return values.get(key)?.value as SettingValues[Key] | undefined;
}

async function fileLayer({ path, text }: ConfigFile): Promise<Layer> {
  const document = await readDocument(path, text);
  if (document.kind === 'document') return readFile(document);
  return { values: new Map(), refused: new Set(), problems: document.problems };
}

function merge(layers: readonly Layer[]): ReadonlyMap<SettingKey, GivenValue> {
  return new Map(layers.toReversed().flatMap(({ values }) => [...values]));
}

/** Flags and variables first, then the file from top to bottom. */
function order({ origin }: ConfigProblem): number {
  return origin.kind === 'file' ? origin.line * 10_000 + Math.min(origin.column, 9999) : 0;
}

/** Values in force that this version does nothing with. */
function missingFeatures(given: ReadonlyMap<SettingKey, GivenValue>): ConfigProblem[] {
  return [...given].flatMap(([key, { value, origin }]) => {
    const setting = settings[key];
    const expected = allowedInstead<unknown>(setting, value);
    if (expected === null) return [];
    if (setting.default === null) return [problem('not-yet', origin, key, expected)];
    return [problem('not-yet', origin, key, expected, { given: toFileForm(key, value) })];
  });
}

/** What a file of one node may not say, and why. The label's last value is kept in the state folder, which is needed before any file is picked. */
const sameOnAllNodes = {
  'memory.unit': 'it has to be the same on all nodes, because quotas count by it',
  'memory.maxPerContainer': 'it has to be the same on all nodes, because quotas count by it',
  'flags.agent.stateDir': 'it has to be known before a config is picked',
} as const satisfies Partial<Record<SettingKey, string>>;

function forAllNodes({ values }: Layer): ConfigProblem[] {
  return (Object.keys(sameOnAllNodes) as readonly (keyof typeof sameOnAllNodes)[]).flatMap((key) => {
    const origin = values.get(key)?.origin;
    if (origin === undefined) return [];
    const { flag, env } = settings[key];
    const expected = `${sameOnAllNodes[key]}, so a config of some nodes may not set it; give it to all agents (--${flag}, ${env.join(', ')})`;
    return [problem('conflict', origin, key, expected)];
  });
}

function conflicts(
  values: SettingValues,
  given: ReadonlyMap<SettingKey, GivenValue>,
  refused: ReadonlySet<SettingKey>,
  withoutFile: boolean,
): ConfigProblem[] {
  const hasFile = (given.get('--config-file')?.value ?? '') !== '' || given.has('--config-dir');
  // The flags alone, of an agent that has a file as well: what they need beside them may stand in there.
  const checks = withoutFile && hasFile ? crossChecks.filter(({ keys }) => keys.length === 1) : crossChecks;
  return checks.flatMap(({ keys, fault }) => {
    const key = keys.find((each) => given.has(each));
    if (key === undefined || keys.some((each) => refused.has(each))) return [];
    const expected = fault(values);
    return expected === null
      ? []
      : [problem('conflict', given.get(key)?.origin ?? { kind: 'default' }, key, expected)];
  });
}
