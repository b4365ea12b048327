import { readdir, readlink, stat, lstat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { orWhenAbsent } from './absence.ts';

/**
 * A tree of files that is the root of another system: symbolic links lead to where they would lead there, never out of the
 * tree. Paths are those of the tree, beginning with a slash. What may not be read is not there; a failure that may pass is thrown.
 */
export class RootedFiles {
  /** Where we see the tree. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** The path without links; `null` when there is nothing, for links that lead nowhere or in circles too. */
  async resolve(path: string): Promise<string | null> {
    const ahead = parts(path);
    let done = '/';
    for (let links = 0; ahead.length > 0;) {
      const part = ahead.shift() ?? '';
      const next = part === '..' ? posix.dirname(done) : posix.join(done, part);
      const entry = await this.#look(next);
      if (entry === null) return null;
      if (entry.target === null) {
        done = next;
        continue;
      }
      links += 1;
      if (links > maxLinks) return null;
      ahead.unshift(...parts(entry.target));
      if (entry.target.startsWith('/')) done = '/';
    }
    return done;
  }

  /** Names in a folder, sorted; none when it cannot be read. */
  async list(folder: string): Promise<readonly string[]> {
    const resolved = await this.resolve(folder);
    const names = resolved === null ? [] : await orWhenAbsent(readdir(join(this.root, resolved)), []);
    return names.toSorted((one, other) => (one < other ? -1 : 1));
  }

  /** What a link says; `null` for what is no link, and for nothing. */
  async readLink(path: string): Promise<string | null> {
    return (await this.#look(path))?.target ?? null;
  }

  /** What lies at a path without links; `null` when there is nothing. */
  async stat(resolved: string): Promise<{ readonly kind: FileKind; readonly executable: boolean } | null> {
    const found = await orWhenAbsent(stat(join(this.root, resolved)), null);
    if (found === null) return null;
    const kind = found.isFile()
      ? 'file'
      : found.isDirectory()
        ? 'folder'
        : found.isSocket()
          ? 'socket'
          : 'other';
    return { kind, executable: kind === 'file' && (found.mode & 0o111) !== 0 };
  }

  async #look(path: string): Promise<{ readonly target: string | null } | null> {
    const at = join(this.root, path);
    const found = await orWhenAbsent(lstat(at), null);
    if (found === null) return null;
    return { target: found.isSymbolicLink() ? await orWhenAbsent(readlink(at), null) : null };
  }
}

type FileKind = 'file' | 'folder' | 'socket' | 'other';

/** As many as the Linux kernel follows. */
const maxLinks = 40;

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
