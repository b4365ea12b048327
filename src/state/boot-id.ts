import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../lib/errors.ts';

/**
 * What the kernel calls this boot of the node (`random(4)`, /proc/sys/kernel/random/boot_id); containers see the node's own.
 * @throws OperatorError `boot-unknown`
 */
export async function readBootId(procfsRoot: string): Promise<string> {
  const path = join(procfsRoot, 'sys/kernel/random/boot_id');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperatorError('boot-unknown', `${path} cannot be read`, { cause });
  });
  const id = text.trim();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id;
  throw new OperatorError('boot-unknown', `${path} holds no boot id: ${JSON.stringify(id.slice(0, 60))}`);
}
