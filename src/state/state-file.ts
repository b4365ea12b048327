import { join } from 'node:path';
import * as z from 'zod';
import type { KeptHoldings } from '../allocation/holdings/kept-holdings.ts';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { lazy } from '../lib/lazy.ts';
import { checkOwnFolder, ownFolder } from '../lib/own-folder.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

/** What the agent keeps over its restarts, in the state folder. It counts for one boot of the node alone. */
export interface KeptState {
  readonly bootId: string;
  /** The GPUs as they were known last. */
  readonly gpus: readonly { readonly uuid: string; readonly index: number }[];
  readonly holdings: KeptHoldings;
}

/** What the state folder says. `unusable`: there is something, and it is not as this version writes it. */
export type StateReading =
  | { readonly kind: 'state'; readonly state: KeptState }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly reason: string };

/** The file's name in the state folder. */
export const stateFileName = 'state.json';

const formatVersion = 1;
/** A node with 16 GPUs that are all booked unit by unit takes a twentieth of it. */
const maxBytes = 8 * 1024 * 1024;

/** Keys that are not known are left alone: a later version may have more to say. A start that finds no file needs no schema. */
const stateFile = lazy(() => {
  const word = z.string().max(300);
  const entryShape = {
    owner: z.object({ podUid: word, container: word }).nullable(),
    resource: word,
    deviceIds: z.array(word).max(100_000),
    record: z.string().max(100_000).nullable(),
    shown: z.object({ namespace: word, pod: word, container: word }).nullable(),
  };
  const booked = z.array(z.object(entryShape)).max(100_000);
  const orphans = z.array(z.object({ ...entryShape, gpus: z.array(word).max(1000) })).max(100_000);
  return z.object({
    version: z.literal(formatVersion),
    bootId: word,
    gpus: z.array(z.object({ uuid: word, index: z.int().min(0) })).max(1000),
    holdings: z.object({ kubelet: word.nullable(), orphans, booked }),
  });
});

/** Reads the state; never throws. */
export async function readState(folder: string): Promise<StateReading> {
  const path = join(folder, stateFileName);
  try {
    await checkOwnFolder(folder);
    return { kind: 'state', state: decodeState(await readPrivateFile(path, maxBytes)) };
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return { kind: 'absent' };
    const why = systemErrorCode(thrown) === 'ELOOP' ? 'it is a link' : describeError(thrown);
    return { kind: 'unusable', reason: `${path} cannot be used: ${why}` };
  }
}

/** The state as the file's text, equal for equal states. */
export function encodeState({ bootId, gpus, holdings }: KeptState): string {
  return `${JSON.stringify({ version: formatVersion, bootId, gpus, holdings })}\n`;
}

/**
 * Replaces the file, and makes the folder where there is none.
 * @param mayReplace asked at the last moment; where it says no, the old file stays
 * @returns whether it was replaced
 * @throws Error
 */
export async function writeState(folder: string, text: string, mayReplace: () => boolean): Promise<boolean> {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes)
    throw new OperatorError(
      'too-large',
      `there is more to keep (${bytes} bytes) than the ${maxBytes} that are read again`,
    );
  await ownFolder(folder);
  return replacePrivateFile(join(folder, stateFileName), text, mayReplace);
}

function decodeState(text: string): KeptState {
  const value = parse(text);
  const version = z.object({ version: z.number() }).safeParse(value).data?.version;
  if (version !== undefined && version !== formatVersion)
    throw new OperatorError(
      'other-version',
      `its format is ${version}, and this version of the agent reads ${formatVersion}`,
    );
  const read = stateFile().safeParse(value);
  if (read.success) {
    const { bootId, gpus, holdings } = read.data;
    return { bootId, gpus, holdings };
  }
  const [issue] = read.error.issues;
  throw new OperatorError('bad-state', `${issue?.path.join('.')}: ${issue?.message}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperatorError('bad-state', 'it is no JSON, or not all of it', { cause });
  }
}
