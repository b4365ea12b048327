import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemErrorCode } from '../lib/errors.ts';

/** The text of a spec's file; `null` when there is none. @throws Error */
export async function readSpecFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}

/**
 * Puts a whole file (0644) in place at one stroke, and makes its folder; runtimes take no file whose name ends in `.tmp`.
 * @throws Error
 */
export async function replaceSpecFile(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const made = await mkdir(folder, { recursive: true, mode: 0o755 });
  if (made !== undefined) await chmod(folder, 0o755);
  const unfinished = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeFile(unfinished, text, { flag: 'wx', mode: 0o644 });
    await chmod(unfinished, 0o644);
    await rename(unfinished, path);
  } catch (thrown) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw thrown;
  }
}
