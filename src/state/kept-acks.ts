import { join } from 'node:path';
import * as z from 'zod';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { checkOwnFolder, ownFolder } from '../lib/own-folder.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

/** Values of annotations that have counted, by the annotation's name. */
export type KeptAcks = ReadonlyMap<string, string>;

const fileName = 'ack-annotations.json';
const maxBytes = 1024 * 1024;
const content = z.object({
  version: z.literal(1),
  nodeName: z.string(),
  values: z.record(z.string(), z.string()),
});

/**
 * What has counted when an earlier agent served this node; empty when nothing is kept, or is of another node.
 * @throws OperatorError `acks-unusable`
 */
export async function readKeptAcks(folder: string, nodeName: string): Promise<KeptAcks> {
  const path = join(folder, fileName);
  try {
    await checkOwnFolder(folder);
    const kept = content.parse(JSON.parse(await readPrivateFile(path, maxBytes)));
    return new Map(kept.nodeName === nodeName ? Object.entries(kept.values) : []);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return new Map();
    throw new OperatorError('acks-unusable', `${path} cannot be used: ${describeError(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Keeps it for the next agent. @throws Error */
export async function keepAcks(folder: string, nodeName: string, values: KeptAcks): Promise<void> {
  await ownFolder(folder);
  const text = `${JSON.stringify({ version: 1, nodeName, values: Object.fromEntries(values) })}\n`;
  await replacePrivateFile(join(folder, fileName), text, () => true);
}
