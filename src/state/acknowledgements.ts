import { leaveWord, readWords, removeWord, type Word, type WordKind } from './words.ts';

/** The keys of findings: `xid-95@3/0`. */
const acknowledgement: WordKind = { folderName: 'health-ack', key: /^[a-z0-9@/-]{1,100}$/ };

/**
 * Leaves an admin's word for the agent that a GPU is to be used in spite of these findings.
 * @param keys of the findings that the admin has seen
 * @returns whether the word is still there, that is, not yet taken up
 * @throws Error
 */
export async function askAcknowledgement(
  stateDir: string,
  gpu: string,
  keys: readonly string[],
): Promise<() => Promise<boolean>> {
  return leaveWord(stateDir, acknowledgement, gpu, keys);
}

/** All words that have been left. @throws Error */
export async function readAcknowledgements(stateDir: string): Promise<readonly Word[]> {
  return readWords(stateDir, acknowledgement);
}

/** Takes the word away when it has been heard, whatever lies in its place. @throws Error */
export async function removeAcknowledgement(stateDir: string, gpu: string): Promise<void> {
  await removeWord(stateDir, acknowledgement, gpu);
}
