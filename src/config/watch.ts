import { dirname } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { isAbort, toError } from '../lib/errors.ts';
import { FolderWatch } from '../lib/folder-watch.ts';
import { readConfigText } from './read-file.ts';

/** What a config file holds now: its text, or why it cannot be read. */
export type ConfigReading = { readonly text: string } | { readonly error: Error };

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
export async function* watchConfigFile(
  path: string,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<ConfigReading, void, void> {
  using folder = new FolderWatch(dirname(path));
  try {
    await folder.renew();
    let shown = await read(path);
    yield shown;
    while (!signal.aborted) {
      await folder.change(deps.clock, deps.pollMs ?? 5000, signal);
      await folder.renew();
      const current = await settled(path, deps, shown, signal);
      if (same(current, shown)) continue;
      shown = current;
      yield shown;
    }
  } catch (thrown) {
    if (!isAbort(thrown)) throw thrown;
  }
}

/**
 * The content once it has stayed for as long as it must. An empty file would be all defaults, and one that is written in
 * place is empty until the writer is done, so nothing has to stay for longer than something.
 */
async function settled(
  path: string,
  { clock, settleMs = 200, goneMs = 5000 }: WatchDeps,
  shown: ConfigReading,
  signal: AbortSignal,
): Promise<ConfigReading> {
  let current = await read(path);
  let since = clock.now();
  while (!same(current, shown)) {
    await clock.sleep(settleMs, signal);
    const next = await read(path);
    const stayed = same(next, current) || (isGone(next) && isGone(current));
    current = next;
    if (!stayed) since = clock.now();
    else if (clock.now() - since >= (isGone(current) ? goneMs : settleMs)) break;
  }
  return current;
}

/** Whether nothing is there: no file, or none but white space in it. */
function isGone(reading: ConfigReading): boolean {
  if ('text' in reading) return reading.text.trim() === '';
  const { cause } = reading.error;
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
}

async function read(path: string): Promise<ConfigReading> {
  try {
    return { text: await readConfigText(path) };
  } catch (thrown) {
    return { error: toError(thrown) };
  }
}

function same(one: ConfigReading, other: ConfigReading): boolean {
  if ('text' in one) return 'text' in other && one.text === other.text;
  return 'error' in other && one.error.message === other.error.message;
}
