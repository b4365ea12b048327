import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ClusterNode } from './cluster-node.ts';

const docs = join(import.meta.dirname, '../../../docs');

/** The only command of a page in `docs/` that begins like this, word for word; a shell's prompt stands before it. */
export async function commandOf(page: string, beginning: string): Promise<string> {
  const lines = (await readFile(join(docs, page), 'utf8')).split('\n').map((line) => line.trim());
  const found = lines.filter((line) => line.startsWith(`$ ${beginning}`));
  if (found.length !== 1) throw new Error(`docs/${page} has ${found.length} commands: ${beginning}`);
  return found.join('').slice('$ '.length);
}

/** Runs it with the programs and the admin's rights of the cluster, and resolves with what it prints. */
export async function runOnCluster({ cluster }: ClusterNode, command: string): Promise<string> {
  // What kubectl keeps for itself goes where the cluster's own files are.
  const env = {
    PATH: `${cluster.programs.searchPath}:/usr/bin:/bin`,
    KUBECONFIG: cluster.paths.kubeconfig,
    HOME: cluster.paths.etc,
  };
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], { env });
  return stdout;
}
