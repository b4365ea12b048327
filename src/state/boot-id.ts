import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../lib/errors.ts';

/**
 * What the kernel calls this boot of the node (`random(4)`, /proc/sys/kernel/random/boot_id); containers see the node's own.
 * @throws OperatorError `boot-unknown`
 */
export async function readBootId(procfsRoot: string): Promise<string> {
  const id = await readBootText(procfsRoot);
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id;
  const path = bootIdPath(procfsRoot);
  throw new OperatorError('boot-unknown', `${path} holds no boot id: ${JSON.stringify(id.slice(0, 60))}`);
}

/** The same as it stands there, to be compared with what others have read there; `null` when it cannot be read. */
export async function tellBootText(procfsRoot: string): Promise<string | null> {
  return (await readBootText(procfsRoot).catch(() => '')) || null;
}

async function readBootText(procfsRoot: string): Promise<string> {
  const path = bootIdPath(procfsRoot);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperatorError('boot-unknown', `${path} cannot be read`, { cause });
  });
  return text.trim();
}

function bootIdPath(procfsRoot: string): string {
  return join(procfsRoot, 'sys/kernel/random/boot_id');
}
