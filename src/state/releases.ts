import { createHash } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { KeptEntry } from '../allocation/holdings/kept-holdings.ts';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { lazy } from '../lib/lazy.ts';
import { checkOwnFolder, ownFolder } from '../lib/own-folder.ts';
import { isGpuUuid } from './gpu-uuid.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

/** An admin's word that nothing of these orphans runs on a GPU any more. */
export interface Release {
  readonly gpu: string;
  /** What the admin has looked at, by `orphanKey`; what was orphaned since is not meant. Or why that cannot be read. */
  readonly orphans: ReadonlySet<string> | { readonly unreadable: string };
}

/** Its files are named after GPUs, and nothing but a GPU's UUID is taken for a name. */
const folderName = 'release';
const maxBytes = 64 * 1024;
/** Hardly any agent ever reads one. */
const content = lazy(() => z.array(z.string().regex(/^[0-9a-f]{16}$/)).max(3000));

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
  if (!isGpuUuid(gpu)) throw new OperatorError('no-gpu', `${gpu} is not the UUID of a GPU`);
  const folder = join(stateDir, folderName);
  await ownFolder(stateDir);
  await ownFolder(folder);
  const path = join(folder, gpu);
  const text = `${JSON.stringify(orphans.map(orphanKey))}\n`;
  await replacePrivateFile(path, text, () => true);
  return () =>
    lstat(path).then(
      () => true,
      () => false,
    );
}

/** All words that have been left. Files with other names than GPUs' are left alone. @throws Error */
export async function readReleases(stateDir: string): Promise<readonly Release[]> {
  const folder = join(stateDir, folderName);
  try {
    await checkOwnFolder(folder);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
  const names = await readdir(folder);
  return Promise.all(
    names.filter(isGpuUuid).map(async (gpu) => ({ gpu, orphans: await readKeys(join(folder, gpu)) })),
  );
}

/** Takes the word away when it has been heard, whatever lies in its place. @throws Error */
export async function removeRelease(stateDir: string, gpu: string): Promise<void> {
  await rm(join(stateDir, folderName, gpu), { recursive: true, force: true });
}

async function readKeys(path: string): Promise<Release['orphans']> {
  try {
    return new Set(content().parse(JSON.parse(await readPrivateFile(path, maxBytes))));
  } catch (thrown) {
    return { unreadable: describeError(thrown).split('\n', 1)[0] ?? '' };
  }
}
