import { randomUUID } from 'node:crypto';
import { constants, renameSync } from 'node:fs';
import { lstat, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OperatorError } from '../lib/errors.ts';
import { checkOwnFile } from '../lib/own-folder.ts';

/**
 * Reads a small text file that only its owner may write. No link is followed, and nothing but a plain file is opened for long.
 * @throws Error with the code `ENOENT` where there is none; OperatorError for what is not as we write it
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const found = await file.stat();
  const { size } = found;
  if (!found.isFile()) throw new OperatorError('not-ours', 'it is no plain file');
  await checkOwnFile(found);
  if (size > maxBytes) throw new OperatorError('too-large', `it has ${size} bytes, more than ${maxBytes}`);
  const text = Buffer.alloc(size);
  const { bytesRead } = await file.read(text, 0, size, 0);
  return text.toString('utf8', 0, bytesRead);
}

/**
 * Replaces a file (0600) as a whole: a reader sees the old text or the new one. Until it is complete the new one has a name of its own,
 * so that two writers are not in each other's way; what others have left half done is removed.
 * @param mayReplace asked at the last moment; where it says no, all stays as it was
 * @returns whether it was replaced
 * @throws Error
 */
export async function replacePrivateFile(
  path: string,
  text: string,
  mayReplace: () => boolean,
): Promise<boolean> {
  const prefix = `.${basename(path)}.`;
  const beside = join(dirname(path), `${prefix}${randomUUID()}`);
  await sweep(dirname(path), prefix);
  try {
    {
      await using file = await open(beside, 'wx', 0o600);
      await file.writeFile(text);
      await file.sync();
    }
    if (!mayReplace()) return false;
    renameSync(beside, path);
    return true;
  } finally {
    await rm(beside, { force: true });
  }
}

/** A file that was not completed in this time never will be: its writer was killed. */
const abandonedAfterMs = 60_000;

/** What cannot be removed is in nobody's way. */
async function sweep(folder: string, prefix: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const path = join(folder, name);
    const found = await lstat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > abandonedAfterMs)
      await rm(path, { force: true }).catch(() => undefined);
  }
}
