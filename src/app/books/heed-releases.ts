import { isOrphan } from '../../allocation/holdings/orphans.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { orphanKey, readReleases, removeRelease, type Release } from '../../state/releases.ts';
import { heedWords } from '../heed-words.ts';
import type { Node } from '../node.ts';

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

/** Looks, while there are orphans, for what an admin says of them with `slicewise orphans release`. */
export async function heedReleases(
  { books }: Pick<Node, 'books'>,
  keeper: Keeper,
  { stateDir, clock, log }: HeedReleasesDeps,
  signal: AbortSignal,
): Promise<void> {
  await heedWords<Release>(
    {
      async untilNextLook(hasUnkept) {
        // Before the node is planned nothing is written down.
        const isTime = (): boolean => books.hasTerms && (hasUnkept || books.holdings.entries.some(isOrphan));
        do await clock.sleep(lookEveryMs, signal);
        while (!isTime());
      },
      read: async () => readReleases(stateDir),
      heed: (release, isHeeded) => heed(books, release, isHeeded, clock.now()),
      save: async () => keeper.save(),
      remove: async (gpu) => removeRelease(stateDir, gpu),
      refused: (gpu) => `nothing is released on ${gpu}`,
      unread: 'what an admin says of containers that the kubelet has lost cannot be read',
    },
    log,
    signal,
  );
}

/** As in `WordsToHeed`. */
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
