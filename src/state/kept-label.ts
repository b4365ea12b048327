import { join } from 'node:path';
import { describeError, OperatorError, systemErrorCode } from '../lib/errors.ts';
import { checkOwnFolder, ownFolder } from '../lib/own-folder.ts';
import { readPrivateFile, replacePrivateFile } from './private-file.ts';

/** What a label of a node said last; `null` where the node had none. */
export interface KeptLabel {
  readonly nodeName: string;
  readonly label: string;
  readonly value: string | null;
}

const fileName = 'config-label.json';
const maxBytes = 4096;

/**
 * What the label said when an earlier agent could read it; `undefined` when that is not known, or is about another node or label.
 * @throws OperatorError `label-unusable`
 */
export async function readKeptLabel(
  folder: string,
  { nodeName, label }: Omit<KeptLabel, 'value'>,
): Promise<string | null | undefined> {
  const path = join(folder, fileName);
  try {
    await checkOwnFolder(folder);
    const kept: unknown = JSON.parse(await readPrivateFile(path, maxBytes));
    if (!isKept(kept)) throw new OperatorError('not-ours', 'it is not as this version writes it');
    return kept.nodeName === nodeName && kept.label === label ? kept.value : undefined;
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return undefined;
    throw new OperatorError('label-unusable', `${path} cannot be used: ${describeError(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Keeps it for the next agent. @throws Error */
export async function keepLabel(folder: string, { nodeName, label, value }: KeptLabel): Promise<void> {
  await ownFolder(folder);
  const text = `${JSON.stringify({ version: 1, nodeName, label, value })}\n`;
  await replacePrivateFile(join(folder, fileName), text, () => true);
}

function isKept(kept: unknown): kept is KeptLabel {
  if (typeof kept !== 'object' || kept === null) return false;
  const { nodeName, label, value } = kept as Partial<Readonly<Record<keyof KeptLabel, unknown>>>;
  return (
    typeof nodeName === 'string' && typeof label === 'string' && (value === null || typeof value === 'string')
  );
}
