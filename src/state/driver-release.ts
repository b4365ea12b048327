import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../lib/errors.ts';
import { checkOwnFolder, ownFolder } from '../lib/own-folder.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

const fileName = 'driver-release';

/** Longer than this no driver is left alone: a word that was forgotten must not blind the agent for ever. */
export const longestReleaseMs = 3_600_000;

/**
 * Leaves an admin's word that the agents of this node are to close the driver, so that GPUs can be reset.
 * @param until wall time, milliseconds since 1970
 * @throws Error
 */
export async function askDriverRelease(stateDir: string, until: number): Promise<void> {
  await ownFolder(stateDir);
  await replacePrivateFile(join(stateDir, fileName), `${until}\n`, () => true);
}

/** Takes the word back. @throws Error */
export async function endDriverRelease(stateDir: string): Promise<void> {
  await rm(join(stateDir, fileName), { force: true });
}

/**
 * Until when the driver is to be left alone, wall time in milliseconds; `null`: it is not. A time that is over, or further away than a release may be
 * long, is none.
 * @throws Error
 */
export async function readDriverRelease(stateDir: string, now: number): Promise<number | null> {
  const path = join(stateDir, fileName);
  // Looked for every second, and hardly ever there.
  if (!existsSync(path)) return null;
  try {
    await checkOwnFolder(stateDir);
    const until = Number(await readPrivateFile(path, 100));
    return until > now && until <= now + longestReleaseMs ? until : null;
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}
