/** A place where nvidia-smi may be, and the environment that it needs there. */
export interface ProgramPlace {
  readonly program: string;
  /** The whole environment; undefined keeps ours. */
  readonly env: Readonly<Record<string, string>> | undefined;
}

/**
 * The places of nvidia-smi in the order in which they are tried: the given program (a bare name is looked up on PATH),
 * then the usual folders under each root of a driver that is installed elsewhere, with that driver's libraries.
 */
export function programPlaces(program: string, driverRoots: readonly string[]): ProgramPlace[] {
  const roots = [...new Set(driverRoots.map((root) => root.replace(/\/+$/, '')))];
  const elsewhere = roots.flatMap((root) =>
    programFolders.map((folder) => ({
      program: `${root}${folder}/nvidia-smi`,
      env: root === '' ? undefined : environmentOf(root),
    })),
  );
  return [{ program, env: undefined }, ...elsewhere];
}

const programFolders = ['/usr/bin', '/bin', '/usr/local/nvidia/bin', '/opt/bin'] as const;

const libraryFolders = [
  '/usr/lib64',
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/lib64',
  '/lib/x86_64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/local/nvidia/lib64',
] as const;

function environmentOf(root: string): Record<string, string> {
  return {
    PATH: '/usr/bin:/bin',
    LD_LIBRARY_PATH: libraryFolders.map((folder) => `${root}${folder}`).join(':'),
  };
}
