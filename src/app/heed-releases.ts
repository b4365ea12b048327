import { isOrphan } from '../allocation/holdings/orphans.ts';
import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { warnOnceEach } from '../lib/once-each.ts';
import { orphanKey, readReleases, removeRelease, type Release } from '../state/releases.ts';
import type { Node } from './node.ts';

const lookEveryMs = 1000;

interface HeedReleasesDeps {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is known after an admin's word has to be written down before the word is taken away. */
interface Keeper {
  save(): Promise<boolean>;
}

/**
 * Looks, while there are orphans, for what an admin says of them with `slicewise orphans release`. The word stays until what it has ended
 * is written down: a restart before that would find the orphans again, and hears it again.
 */
export async function heedReleases(
  { books }: Pick<Node, 'books'>,
  keeper: Keeper,
  { stateDir, clock, log }: HeedReleasesDeps,
  signal: AbortSignal,
): Promise<void> {
  const say = warnOnceEach(log);
  const unkept = new Set<string>();
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, signal);
    // Before the node is planned nothing is written down.
    if (!books.hasTerms || (unkept.size === 0 && !books.holdings.entries.some(isOrphan))) continue;
    try {
      const releases = await readReleases(stateDir);
      for (const gpu of unkept) if (!releases.some((release) => release.gpu === gpu)) unkept.delete(gpu);
      for (const release of releases) {
        const { gpu } = release;
        const refusal = heed(books, release, unkept.has(gpu), clock.now());
        if (refusal === null) {
          unkept.add(gpu);
          if (!(await keeper.save())) continue;
        } else log.warn({ gpu }, `nothing is released on ${gpu}: ${refusal}`);
        await removeRelease(stateDir, gpu);
        unkept.delete(gpu);
      }
      say('');
    } catch (thrown) {
      say(
        `what an admin says of containers that the kubelet has lost cannot be read: ${describeError(thrown)}`,
      );
    }
  }
}

/**
 * Why the word does not count; `null` when it does.
 * @param isHeeded it has counted before, and is there only because that could not be written down yet
 */
function heed(
  books: Node['books'],
  { gpu, orphans }: Release,
  isHeeded: boolean,
  atMs: number,
): string | null {
  if ('unreadable' in orphans) return `what was asked for cannot be read: ${orphans.unreadable}`;
  const there = books.kept.orphans.filter(({ gpus }) => gpus.includes(gpu));
  if (there.length === 0) return isHeeded ? null : 'the kubelet has lost no container there';
  const others = there.filter((orphan) => !orphans.has(orphanKey(orphan)));
  if (others.length > 0)
    return "the kubelet has lost others since that was said; look again with 'slicewise orphans', and say it again";
  books.apply({ kind: 'acknowledged', atMs, gpu });
  return null;
}
