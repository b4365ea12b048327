import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

declare module 'vitest' {
  interface ProvidedContext {
    /** The program as it is installed: the file to run. */
    readonly agentBundle: string;
  }
}

/** The commit that the bundles of tests say they were built from. */
export const bundledCommit = '0123456789abcdef';

/** Bundles the agent as it is installed into a folder of one's own, and resolves with the file to run. */
export async function bundleAgent(folder: string): Promise<string> {
  const root = join(import.meta.dirname, '../..');
  // The bundle finds koffi there.
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await promisify(execFile)(process.execPath, [join(root, 'scripts/bundle.ts'), join(folder, 'agent')], {
    env: { ...process.env, REVISION: bundledCommit },
  });
  return join(folder, 'agent/slicewise.cjs');
}
