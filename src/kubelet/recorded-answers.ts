import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../lib/errors.ts';
import { checkpointName } from './checkpoint.ts';

/**
 * True when an answer in the kubelet's records holds the text, such as the beginning of CDI names. The kubelet gives a container
 * that it starts again the answer from its records. An entry may outlive its pod, so true means "perhaps"; also when the records
 * cannot be read.
 * @param folder that of kubelet.sock
 */
export async function mayBeGivenAgain(folder: string, text: string): Promise<boolean> {
  try {
    const records = JSON.parse(await readFile(join(folder, checkpointName), 'utf8')) as unknown;
    return answersIn(records).some((answer) => Buffer.from(answer, 'base64').includes(text));
  } catch (thrown) {
    return systemErrorCode(thrown) !== 'ENOENT';
  }
}

/** Every `AllocResp` of the file: an encoded ContainerAllocateResponse, as text in base64. */
function answersIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    key === 'AllocResp' && typeof inner === 'string' ? [inner] : answersIn(inner),
  );
}
