import { readDocument, type ConfigDocument } from './document.ts';
import { readFile } from './file-layer.ts';
import type { GivenValue } from './layer.ts';
import { loadConfig } from './load.ts';
import { describeOrigin, problem, type ConfigProblem, type Origin } from './problem.ts';
import { isNvidiaFileKey, settingRows, settings, type SettingKey } from './settings.ts';

/** Something in a config file that NVIDIA's plugin and this one take differently. */
interface Difference {
  readonly source: string;
  readonly keyPath: string;
  /** What NVIDIA's plugin v0.20 does with it. */
  readonly nvidia: string;
  readonly here: string;
}

export type Comparison =
  | { readonly kind: 'unreadable'; readonly problems: readonly ConfigProblem[] }
  | {
      readonly kind: 'compared';
      readonly differences: readonly Difference[];
      /** Whether GPU memory is offered too because the file says nothing of it, as no file for NVIDIA's plugin does. */
      readonly offersMemory: boolean;
    };

/** Compares what NVIDIA's plugin and this one do with a config file, in the order of the file. */
export async function compareWithNvidia(file: {
  readonly path: string;
  readonly text: string;
}): Promise<Comparison> {
  const document = await readDocument(file.path, file.text);
  if (document.kind === 'unreadable') return document;
  if (typeof document.root !== 'object' || Array.isArray(document.root)) {
    const origin = document.locate([]);
    return {
      kind: 'unreadable',
      problems: [problem('unreadable', origin, '', 'the file holds no map of keys and values')],
    };
  }
  const given = readFile(document).values;
  const loaded = await loadConfig({ flags: {}, env: {}, file });
  const all = loaded.kind === 'ok' ? [] : loaded.problems;
  // A block that conflicts with another is one difference, also when it is not in this version.
  const conflicts = new Set(all.filter(({ kind }) => kind === 'conflict').map(({ keyPath }) => keyPath));
  const problems = all.filter(({ kind, keyPath }) => kind === 'conflict' || !conflicts.has(keyPath));
  const found = [
    ...problems.map((each) => [each.origin, each.keyPath, nvidiaTakes(each), hereRefused(each)] as const),
    ...[...given].flatMap(([key, value]) => silentDifferences(key, value, problems, document)),
  ];
  const differences = found
    .toSorted(([one], [other]) => position(one) - position(other))
    .map(([origin, keyPath, nvidia, here]) => ({ source: describeOrigin(origin), keyPath, nvidia, here }));
  const offersMemory = !given.has('memory.enabled') && settings['memory.enabled'].default;
  return { kind: 'compared', differences, offersMemory };
}

type Row = readonly [origin: Origin, keyPath: string, nvidia: string, here: string];

const dropped = 'drops it with a warning';
const ignored = 'ignores it without a word';

/** What NVIDIA's plugin does with something that this one refuses. */
function nvidiaTakes({ kind, keyPath, value }: ConfigProblem): string {
  const key = keyAbove(keyPath);
  switch (kind) {
    case 'duplicate-key':
      return 'takes one of them without a word';
    case 'unknown-key': {
      // Go's JSON decoder does not tell upper from lower case in keys.
      const meant = settingRows.find(([each]) => each.toLowerCase() === keyPath.toLowerCase())?.[0];
      return meant !== undefined && isNvidiaFileKey(meant) ? `reads it as ${meant}` : ignored;
    }
    case 'conflict':
      return key === 'sharing.timeSlicing'
        ? 'shares by MPS and ignores sharing.timeSlicing without a word'
        : ignored;
    case 'not-yet':
      if (key === undefined || !isNvidiaFileKey(key)) return ignored;
      return key.startsWith('resources.') ? dropped : 'does it';
    case 'invalid':
      return nvidiaTakesInvalid(key, value ?? '');
    case 'unreadable':
      return 'does not start with it either';
  }
}

/** What NVIDIA's plugin does with a value that this one does not allow. */
function nvidiaTakesInvalid(key: SettingKey | undefined, value: string): string {
  if (key === undefined) return 'does not start with it either';
  if (!isNvidiaFileKey(key)) return ignored;
  // Paths and prefixes are not checked there, as long as they are text.
  return takesAnyText(key) && value.startsWith("'") ? 'takes it as it is' : 'does not start with it either';
}

function hereRefused({ kind, expected }: ConfigProblem): string {
  switch (kind) {
    case 'not-yet':
      return 'refuses the file: not in this version yet';
    case 'invalid':
      return `refuses the file; allowed: ${expected}`;
    case 'unknown-key':
      return `refuses the file; ${expected.startsWith('did you mean') ? expected : 'there is no such key'}`;
    case 'duplicate-key':
    case 'conflict':
    case 'unreadable':
      return `refuses the file; ${expected}`;
  }
}

/** What acts differently though both take it. */
function silentDifferences(
  key: SettingKey,
  { value, origin }: GivenValue,
  problems: readonly ConfigProblem[],
  document: ConfigDocument,
): Row[] {
  if (problems.some(({ keyPath }) => keyPath === key)) return [];
  if (key === 'sharing.timeSlicing' || key === 'sharing.mps') return sharingDifferences(key, value, document);
  if (key === 'resources.gpus' || key === 'resources.mig') return [[origin, key, dropped, 'does it']];
  if (key === 'flags.failOnInitError' && value === true) {
    return [
      [
        origin,
        key,
        'exits when no driver answers',
        'stays up, not ready, says why, and starts when the driver answers',
      ],
    ];
  }
  return isNvidiaFileKey(key) ? [] : [[origin, key, ignored, 'takes it']];
}

/** `devices` and `rename` of shared resources: NVIDIA's plugin checks them and then shares everything, unrenamed. */
function sharingDifferences(
  key: 'sharing.timeSlicing' | 'sharing.mps',
  value: unknown,
  document: ConfigDocument,
): Row[] {
  const resources = (value as { readonly resources: readonly SharedResource[] }).resources;
  return resources.flatMap(({ devices, rename }, index) => {
    const path = `${key}.resources[${index}]`;
    const here = 'does it';
    const origin = (name: string) => document.locate([...key.split('.'), 'resources', index, name]);
    const rows: Row[] = [];
    if (devices !== 'all')
      rows.push([origin('devices'), `${path}.devices`, `${dropped} and shares all devices`, here]);
    if (rename !== undefined) rows.push([origin('rename'), `${path}.rename`, dropped, here]);
    return rows;
  });
}

interface SharedResource {
  readonly devices: unknown;
  readonly rename?: string | undefined;
}

/** The setting that a path leads to or into. */
function keyAbove(path: string): SettingKey | undefined {
  return settingRows.find(
    ([key]) => path === key || ['.', '['].some((mark) => path.startsWith(`${key}${mark}`)),
  )?.[0];
}

function takesAnyText(key: SettingKey): boolean {
  const { kind } = settings[key];
  return kind.shape === 'single' && kind.words.length === 0 && key.startsWith('flags.');
}

function position(origin: Origin): number {
  return origin.kind === 'file' ? origin.line * 10_000 + origin.column : 0;
}
