import type { Stats } from 'node:fs';
import { lstat, mkdir, stat } from 'node:fs/promises';
import { OperatorError } from './errors.ts';

/**
 * Makes a folder that is the program's own (0700), or takes one that is there. A link in its place, a folder of another user's, or one
 * that others may write to, is refused: what lies there may be anybody's.
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
  const problem = whyNotOurs(found, await ownUid());
  if (problem === null) return;
  const remedy = problem.kind === 'mode' ? `chmod go-w ${folder}` : `chown ${problem.ours} ${folder}`;
  throw new OperatorError(
    'not-ours',
    problem.kind === 'mode'
      ? `others may write to ${folder}: ${remedy}`
      : `${folder} belongs to user ${problem.owner}, who may change what is in it: ${remedy}, if you know what is in it, else remove it`,
  );
}

/** @throws OperatorError for an open file that others may change */
export async function checkOwnFile(found: Stats): Promise<void> {
  const problem = whyNotOurs(found, await ownUid());
  if (problem?.kind === 'mode') throw new OperatorError('not-ours', 'others may write to it');
  if (problem?.kind === 'owner') throw new OperatorError('not-ours', `it belongs to user ${problem.owner}`);
}

/** Why others may change what this is; root may do so anyway. */
export type NotOurs =
  { readonly kind: 'owner'; readonly owner: number; readonly ours: number } | { readonly kind: 'mode' };

/** `null`: the user of this process or root alone may write to it. */
export function whyNotOurs({ uid, mode }: Pick<Stats, 'uid' | 'mode'>, ours: number): NotOurs | null {
  if (uid !== ours && uid !== 0) return { kind: 'owner', owner: uid, ours };
  return (mode & writableByOthers) === 0 ? null : { kind: 'mode' };
}

/** Bits of a mode that let its group or everybody write. */
const writableByOthers = 0o022;

/** The user of this process is the owner of its entry in procfs (proc(5)); where there is none, root alone is trusted. */
async function ownUid(): Promise<number> {
  return stat('/proc/self').then(
    ({ uid }) => uid,
    () => 0,
  );
}
