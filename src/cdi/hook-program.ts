import { posix } from 'node:path';
import { RootedFiles } from './rooted-files.ts';

export interface HookProgram {
  /** On the host; `null` when the host has none. */
  readonly path: string | null;
  /** What an administrator should know; `null` when nothing is odd. */
  readonly trouble: string | null;
}

/**
 * The program that hooks run. It is one of the host, not of the driver: where we see the whole host it is looked for, because a
 * hook without its program keeps every container from starting; elsewhere the configured path is believed. The toolkit's two
 * programs can stand in for each other.
 * @param root the driver's root: `onHost` is `/` when it is the host's own
 */
export async function findHookProgram(
  configured: string,
  root: { readonly seenAt: string; readonly onHost: string },
): Promise<HookProgram> {
  if (root.onHost !== '/') return { path: configured, trouble: null };
  const files = new RootedFiles(root.seenAt);
  const folder = posix.dirname(configured);
  const candidates = [configured, posix.join(folder, 'nvidia-cdi-hook'), posix.join(folder, 'nvidia-ctk')];
  for (const path of new Set(candidates)) {
    const resolved = await files.resolve(path);
    if (resolved !== null && (await files.stat(resolved))?.executable === true)
      return { path, trouble: null };
  }
  return {
    path: null,
    trouble:
      `the host has no ${configured}: containers get the driver's files, but no links to its libraries and no cache of them. ` +
      'Install the NVIDIA Container Toolkit, or set flags.plugin.nvidiaCTKPath',
  };
}
