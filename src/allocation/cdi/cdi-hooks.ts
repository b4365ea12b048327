import type { CdiHook } from './cdi-spec.ts';
import { libraryFolders, type DriverFiles, type SymbolicLink } from './driver-files.ts';

/**
 * Hooks by their names in NVIDIA's container toolkit (internal/discover/hooks.go); `all` is every one of them. `chmod` is known
 * there and never used.
 */
export type HookName =
  | 'create-symlinks'
  | 'enable-cuda-compat'
  | 'update-ldcache'
  | 'disable-device-node-modification'
  | 'update-application-profile'
  | 'chmod'
  | 'all';

export interface HookSettings {
  /** `nvidia-cdi-hook` or `nvidia-ctk` on the host; `null` when the host has neither, and then there are no hooks. */
  readonly program: string | null;
  readonly disabled: readonly HookName[];
}

/** The hooks of every container with a GPU. Without libraries there is nothing that a hook could make known. */
export function driverHooks(settings: HookSettings, driver: DriverFiles): readonly CdiHook[] {
  if (driver.libraries.length === 0) return [];
  // The cache of libraries is made after the links and the compatibility folder, which it has to hold.
  return [
    ...linkHook(settings, driver.links),
    ...hook(settings, 'enable-cuda-compat', [`--host-driver-version=${driver.version}`]),
    ...hook(
      settings,
      'update-ldcache',
      libraryFolders(driver).flatMap((folder) => ['--folder', folder]),
    ),
    ...hook(settings, 'disable-device-node-modification'),
    ...hook(settings, 'update-application-profile'),
  ];
}

/** One hook that makes all links; none when there is no link. */
export function linkHook(settings: HookSettings, links: readonly SymbolicLink[]): readonly CdiHook[] {
  if (links.length === 0) return [];
  const args = links.flatMap(({ target, path }) => ['--link', `${target}::${path}`]);
  return hook(settings, 'create-symlinks', args);
}

function hook(
  { program, disabled }: HookSettings,
  name: HookName,
  args: readonly string[] = [],
): readonly CdiHook[] {
  if (program === null || disabled.includes(name) || disabled.includes('all')) return [];
  const own = program.slice(program.lastIndexOf('/') + 1);
  // nvidia-ctk has the hooks under a command of its own, nvidia-cdi-hook is nothing else.
  const command = own === 'nvidia-ctk' ? [own, 'hook'] : [own];
  return [
    {
      hookName: 'createContainer',
      path: program,
      args: [...command, name, ...args],
      env: ['NVIDIA_CTK_DEBUG=false'],
    },
  ];
}
