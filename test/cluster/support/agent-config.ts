import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterNode } from './cluster-node.ts';

/** Writes a config file for the node's agents, and answers with the argument that names it. */
export async function writeConfig({ gpus }: ClusterNode, content: object): Promise<string> {
  const path = join(dirname(gpus.file), 'config.yaml');
  await writeFile(path, JSON.stringify({ version: 'v1', ...content }));
  return `--config-file=${path}`;
}
