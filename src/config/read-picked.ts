import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, OperatorError } from '../lib/errors.ts';
import { type ConfigPick, pickConfig, type PickInputs } from './pick-config.ts';
import { readConfigText } from './read-file.ts';

/** The config that was picked and its text. */
export interface PickedConfig {
  readonly picked: Exclude<ConfigPick, { readonly kind: 'problem' }>;
  readonly path: string;
  readonly text: string;
}

/**
 * Picks a config of a folder and reads it. Only what the folder lists can be picked, so no name leads out of it.
 * @throws OperatorError `no-config` when none is to be picked; `config-unreadable` when the folder or the file cannot be read
 */
export async function readPicked(folder: string, rule: Omit<PickInputs, 'names'>): Promise<PickedConfig> {
  const picked = pickConfig({ ...rule, names: await listConfigs(folder) });
  if (picked.kind === 'problem') throw new OperatorError('no-config', `${folder}: ${picked.message}`);
  if (picked.kind === 'empty') return { picked, path: folder, text: '' };
  const path = join(folder, picked.name);
  return { picked, path, text: await readConfigText(path) };
}

/**
 * Files of a folder by name, in the order of the alphabet. What begins with a dot is a ConfigMap's own machinery, or an editor's.
 * @throws OperatorError `config-unreadable`
 */
export async function listConfigs(folder: string): Promise<readonly string[]> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (thrown) {
    const message = `cannot read the folder of configs ${folder}: ${describeError(thrown)}`;
    throw new OperatorError('config-unreadable', message, { cause: thrown });
  }
  const files = await Promise.all(
    names.map(async (name) => {
      if (name.startsWith('.')) return [];
      const found = await stat(join(folder, name)).catch(() => null);
      return found?.isFile() === true ? [name] : [];
    }),
  );
  return files.flat().toSorted();
}
