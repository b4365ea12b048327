import { lstat, mkdir } from 'node:fs/promises';
import { OperatorError } from './errors.ts';

/** Bits of a mode that let its group or everybody write. */
export const writableByOthers = 0o022;

/**
 * Makes a folder that is the program's own (0700), or takes one that is there. A link in its place, or a folder that others may write
 * to, is refused: what lies there may be anybody's.
 * @throws Error
 */
export async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await checkOwnFolder(folder);
}

/** The same for a folder that has to be there. @throws Error with the code `ENOENT` where it is not */
export async function checkOwnFolder(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (!found.isDirectory()) throw new OperatorError('not-ours', `${folder} is no folder, or a link to one`);
  if ((found.mode & writableByOthers) !== 0)
    throw new OperatorError('not-ours', `others may write to ${folder}: chmod go-w ${folder}`);
}
