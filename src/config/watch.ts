import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../lib/clock.ts';
import { isAbort, OperatorError, toError } from '../lib/errors.ts';
import { FolderWatch } from '../lib/folder-watch.ts';
import { Latest } from '../lib/latest.ts';
import type { PickInputs } from './pick-config.ts';
import { readConfigText } from './read-file.ts';
import { type PickedConfig, readPicked } from './read-picked.ts';

interface ConfigText {
  readonly text: string;
}

/** What a config file holds now: its text, or why it cannot be read. */
export type ConfigReading<Read extends ConfigText = ConfigText> = Read | { readonly error: Error };

export interface WatchDeps {
  readonly clock: Clock;
  /** The longest until a change is seen where no notification comes; 5 s when left out. */
  readonly pollMs?: number;
  /** How long the content must stay the same before it counts; 200 ms when left out. */
  readonly settleMs?: number;
  /** How long the file must stay empty or missing before that counts; 5 s when left out. */
  readonly goneMs?: number;
}

/**
 * Yields the file's content at once and then each time that it is another one, until the signal aborts (which ends the
 * loop quietly). The content is compared, not the time of change, so touching the file yields nothing. Works for a file
 * that comes later, is replaced, or lies behind symbolic links that are swapped, as a ConfigMap's do. After the first
 * reading an empty or missing file is told of only when it has stayed so for `goneMs`.
 */
export function watchConfigFile(
  path: string,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<ConfigReading, void, void> {
  return watchReadings(
    dirname(path),
    new Latest(null),
    async () => ({ text: await readConfigText(path) }),
    deps,
    signal,
  );
}

/**
 * The same for the config of a folder that a rule picks; another one that says the same is another content. A change of the rule
 * counts like a change of the folder.
 */
export function watchPickedConfig(
  folder: string,
  rule: Latest<Omit<PickInputs, 'names'>>,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<ConfigReading<PickedConfig>, void, void> {
  return watchReadings(folder, rule, () => readPicked(folder, rule.value), deps, signal);
}

async function* watchReadings<Read extends ConfigText>(
  watched: string,
  rule: Latest<unknown>,
  read: () => Promise<Read>,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<ConfigReading<Read>, void, void> {
  using folder = new FolderWatch(watched);
  const readOrSay = (): Promise<ConfigReading<Read>> =>
    read().catch((thrown: unknown) => ({ error: toError(thrown) }));
  try {
    await folder.renew();
    let ruleSeen = rule.value;
    let shown = await readOrSay();
    yield shown;
    while (!signal.aborted) {
      await eitherChange(folder, rule, ruleSeen, deps, signal);
      await folder.renew();
      ruleSeen = rule.value;
      const current = await settled(readOrSay, deps, shown, signal);
      if (same(current, shown)) continue;
      shown = current;
      yield shown;
    }
  } catch (thrown) {
    if (!isAbort(thrown)) throw thrown;
  }
}

/** Resolves when the folder may have changed, or the rule has; leaves nothing behind. */
async function eitherChange(
  folder: FolderWatch,
  rule: Latest<unknown>,
  ruleSeen: unknown,
  { clock, pollMs = 5000 }: WatchDeps,
  signal: AbortSignal,
): Promise<void> {
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const waits = [
    folder.change(clock, pollMs, until),
    rule.until((value) => value !== ruleSeen, until).then(() => undefined),
  ];
  try {
    await Promise.race(waits);
  } finally {
    scope.abort();
    await Promise.allSettled(waits);
  }
}

/**
 * The content once it has stayed for as long as it must. An empty file would be all defaults, and one that is written in
 * place is empty until the writer is done, so nothing has to stay for longer than something.
 */
async function settled<Read extends ConfigText>(
  read: () => Promise<ConfigReading<Read>>,
  { clock, settleMs = 200, goneMs = 5000 }: WatchDeps,
  shown: ConfigReading<Read>,
  signal: AbortSignal,
): Promise<ConfigReading<Read>> {
  let current = await read();
  let since = clock.now();
  while (!same(current, shown)) {
    await clock.sleep(settleMs, signal);
    const next = await read();
    const stayed = same(next, current) || (isGone(next) && isGone(current));
    current = next;
    if (!stayed) since = clock.now();
    else if (clock.now() - since >= (isGone(current) ? goneMs : settleMs)) break;
  }
  return current;
}

/** Whether nothing is there: no file, none that the rule picks, or none but white space in it. */
function isGone(reading: ConfigReading): boolean {
  if ('text' in reading) return reading.text.trim() === '';
  const { cause } = reading.error;
  if (reading.error instanceof OperatorError && reading.error.code === 'no-config') return true;
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
}

function same(one: ConfigReading, other: ConfigReading): boolean {
  if ('text' in one) return 'text' in other && isDeepStrictEqual(one, other);
  return 'error' in other && one.error.message === other.error.message;
}
