import { createHash } from 'node:crypto';
import type { KeptEntry } from '../allocation/holdings/kept-holdings.ts';
import { leaveWord, readWords, removeWord, type Word, type WordKind } from './words.ts';

/** An admin's word that nothing of these orphans runs on a GPU any more. */
export interface Release {
  readonly gpu: string;
  /** What the admin has looked at, by `orphanKey`; what was orphaned since is not meant. Or why that cannot be read. */
  readonly orphans: Word['keys'];
}

/** Hardly any agent ever reads one. */
const release: WordKind = { folderName: 'release', key: /^[0-9a-f]{16}$/ };

/** Names an orphan: what was given to whom. It tells one orphan from another, and says nothing by itself. */
export function orphanKey({ owner, resource, deviceIds, record }: KeptEntry): string {
  const text = JSON.stringify([owner?.podUid, owner?.container, resource, deviceIds.toSorted(), record]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/**
 * Leaves the word for the agent, which looks for it while there are orphans.
 * @returns whether the word is still there, that is, not yet taken up
 * @throws Error
 */
export async function askRelease(
  stateDir: string,
  gpu: string,
  orphans: readonly KeptEntry[],
): Promise<() => Promise<boolean>> {
  return leaveWord(stateDir, release, gpu, orphans.map(orphanKey));
}

/** All words that have been left. @throws Error */
export async function readReleases(stateDir: string): Promise<readonly Release[]> {
  const words = await readWords(stateDir, release);
  return words.map(({ gpu, keys }) => ({ gpu, orphans: keys }));
}

/** Takes the word away when it has been heard, whatever lies in its place. @throws Error */
export async function removeRelease(stateDir: string, gpu: string): Promise<void> {
  await removeWord(stateDir, release, gpu);
}
