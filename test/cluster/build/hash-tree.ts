import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * A hash over the names and contents of all files below a folder, or of one file.
 * @param except names of folders in it whose files do not count
 */
export async function hashTree(root: string, except: readonly string[] = []): Promise<string> {
  const sum = createHash('sha256');
  const isFolder = (await stat(root)).isDirectory();
  const entries = isFolder ? await readdir(root, { recursive: true, withFileTypes: true }) : [];
  const files = entries
    .filter((entry) => entry.isFile() && !except.includes(basename(entry.parentPath)))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const file of isFolder ? files.toSorted() : [root])
    sum.update(file.slice(root.length)).update(await readFile(file));
  return sum.digest('hex');
}
