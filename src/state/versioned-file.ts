import { join } from 'node:path';
import * as z from 'zod';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { checkOwnFolder } from '../lib/own-folder.ts';
import { readPrivateFile } from './private-file.ts';

/** A file of the state folder that says which version of its format it is in. */
export interface VersionedFile<T> {
  readonly name: string;
  readonly version: number;
  /** What is longer is not read. */
  readonly maxBytes: number;
  readonly schema: () => z.ZodType<T>;
}

/** `unusable`: there is something, and it is not as this version writes it. */
export type VersionedReading<T> =
  | { readonly kind: 'read'; readonly content: T }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly reason: string };

/** Reads such a file; never throws. */
export async function readVersioned<T>(folder: string, file: VersionedFile<T>): Promise<VersionedReading<T>> {
  const path = join(folder, file.name);
  try {
    await checkOwnFolder(folder);
    return { kind: 'read', content: decode(await readPrivateFile(path, file.maxBytes), file) };
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return { kind: 'absent' };
    const why = systemErrorCode(thrown) === 'ELOOP' ? 'it is a link' : describeError(thrown);
    return { kind: 'unusable', reason: `${path} cannot be used: ${why}` };
  }
}

function decode<T>(text: string, { version: own, schema }: VersionedFile<T>): T {
  const value = parse(text);
  const version = z.object({ version: z.number() }).safeParse(value).data?.version;
  if (version !== undefined && version !== own)
    throw new OperatorError(
      'other-version',
      `its format is ${version}, and this version of the agent reads ${own}`,
    );
  const read = schema().safeParse(value);
  if (read.success) return read.data;
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
