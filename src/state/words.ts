import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { checkOwnFolder, ownFolder } from '../lib/own-folder.ts';
import { isGpuUuid } from './gpu-uuid.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

/** What an admin says of a GPU, left for the agent. */
export interface Word {
  readonly gpu: string;
  /** What the admin has looked at; what was added since is not meant. Or why that cannot be read. */
  readonly keys: ReadonlySet<string> | { readonly unreadable: string };
}

/** A kind of word: its folder, and what its keys look like. Its files are named after GPUs, and nothing but a GPU's UUID is taken for a name. */
export interface WordKind {
  readonly folderName: string;
  readonly key: RegExp;
}

const maxBytes = 64 * 1024;
const maxKeys = 3000;

/**
 * Leaves a word for the agent.
 * @returns whether the word is still there, that is, not yet taken up
 * @throws Error
 */
export async function leaveWord(
  stateDir: string,
  { folderName }: WordKind,
  gpu: string,
  keys: readonly string[],
): Promise<() => Promise<boolean>> {
  if (!isGpuUuid(gpu)) throw new OperatorError('no-gpu', `${gpu} is not the UUID of a GPU`);
  const folder = join(stateDir, folderName);
  await ownFolder(stateDir);
  await ownFolder(folder);
  const path = join(folder, gpu);
  await replacePrivateFile(path, `${JSON.stringify(keys)}\n`, () => true);
  return () =>
    lstat(path).then(
      () => true,
      () => false,
    );
}

/** All words of a kind that have been left. Files with other names than GPUs' are left alone. @throws Error */
export async function readWords(stateDir: string, kind: WordKind): Promise<readonly Word[]> {
  const folder = join(stateDir, kind.folderName);
  try {
    await checkOwnFolder(stateDir);
    await checkOwnFolder(folder);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
  const names = await readdir(folder);
  return Promise.all(
    names.filter(isGpuUuid).map(async (gpu) => ({ gpu, keys: await readKeys(join(folder, gpu), kind) })),
  );
}

/** Takes the word away when it has been heard, whatever lies in its place. @throws Error */
export async function removeWord(stateDir: string, { folderName }: WordKind, gpu: string): Promise<void> {
  await rm(join(stateDir, folderName, gpu), { recursive: true, force: true });
}

async function readKeys(path: string, { key }: WordKind): Promise<Word['keys']> {
  try {
    const content = z.array(z.string().regex(key)).max(maxKeys);
    return new Set(content.parse(JSON.parse(await readPrivateFile(path, maxBytes))));
  } catch (thrown) {
    return { unreadable: describeError(thrown).split('\n', 1)[0] ?? '' };
  }
}
