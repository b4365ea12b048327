import { join } from 'node:path';
import * as z from 'zod';
import type { KeptHoldings } from '../allocation/holdings/kept-holdings.ts';
import { OperatorError } from '../lib/errors.ts';
import { lazy } from '../lib/lazy.ts';
import { ownFolder } from '../lib/own-folder.ts';
import { replacePrivateFile } from './private-file.ts';
import { readVersioned } from './versioned-file.ts';

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
  const file = { name: stateFileName, version: formatVersion, maxBytes, schema: stateFile };
  const reading = await readVersioned(folder, file);
  if (reading.kind !== 'read') return reading;
  const { bootId, gpus, holdings } = reading.content;
  return { kind: 'state', state: { bootId, gpus, holdings } };
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
