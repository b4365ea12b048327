import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const prefix = 'slicewise-';
/** Name of a folder for a rehearsal, up to the random part that makes it unique. */
export const rehearsalPrefix = `${prefix}rehearsal-`;

/**
 * File name of a new socket, unique for each session: closing a server unlinks its path even when another process has bound
 * it since.
 * @param shortResource the part of the resource name after the slash
 */
export function newSocketName(shortResource: string): string {
  return `${prefix}${shortResource}-${randomBytes(4).toString('hex')}.sock`;
}

/** True for a name that `newSocketName` could have made. */
export function isOwnSocketName(name: string): boolean {
  return name.startsWith(prefix) && /^[\w.-]+\.sock$/.test(name);
}

/**
 * Removes the sockets that earlier runs left behind; only the holder of the serving lock may, since it alone has live ones. The folder
 * of a rehearsal goes too; to spoil one that is under way does no harm.
 */
export function removeDeadSockets(folder: string): readonly string[] {
  const dead = readdirSync(folder, { withFileTypes: true })
    .filter(
      (entry) =>
        (entry.isSocket() && entry.name.startsWith(prefix)) ||
        (entry.isDirectory() && entry.name.startsWith(rehearsalPrefix)),
    )
    .map((entry) => entry.name);
  for (const name of dead) rmSync(join(folder, name), { force: true, recursive: true });
  return dead;
}
