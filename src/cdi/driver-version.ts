import type { RootedFiles } from './rooted-files.ts';

/** Which of the installed versions of the driver's libraries is taken, and what there is to say about it. */
export interface VersionChoice {
  readonly version: string | null;
  /** In words for an administrator; `null` when nothing is odd. */
  readonly trouble: string | null;
}

/** Libraries that every version of the driver has. */
const core = ['libcuda.so', 'libnvidia-ml.so'];

/**
 * Chooses the version of the driver's libraries. Only those of the running kernel driver work with it; where its version is not
 * known, the one that the loader's links name counts, and then the highest.
 * @param folders without links
 */
export async function chooseVersion(
  files: RootedFiles,
  folders: readonly string[],
  running: string | null,
): Promise<VersionChoice> {
  const found = new Set<string>();
  const linked = new Set<string>();
  for (const folder of folders) {
    for (const name of await files.list(folder)) {
      const version = versionOf(name);
      if (version !== null && (await files.resolve(`${folder}/${name}`)) !== null) found.add(version);
    }
    for (const library of core) {
      const target = await files.resolve(`${folder}/${library}.1`);
      const version = target === null ? null : versionOf(target.slice(target.lastIndexOf('/') + 1));
      if (version !== null) linked.add(version);
    }
  }
  const versions = [...found].toSorted(compareVersions);
  return choose(versions, [...linked].toSorted(compareVersions), running);
}

function choose(
  versions: readonly string[],
  linked: readonly string[],
  running: string | null,
): VersionChoice {
  const all = versions.join(' and ');
  if (versions.length === 0) return { version: null, trouble: 'it holds no libcuda.so or libnvidia-ml.so' };
  if (running !== null && !versions.includes(running)) {
    return {
      version: null,
      trouble: `it holds libraries of driver ${all}, but driver ${running} is running, which takes none but its own`,
    };
  }
  const version = running ?? linked.at(-1) ?? versions.at(-1) ?? null;
  if (versions.length === 1) return { version, trouble: null };
  const why =
    running !== null
      ? 'it is the one that is running'
      : linked.includes(version ?? '')
        ? 'the links for the loader name it'
        : 'it is the highest';
  return { version, trouble: `it holds libraries of driver ${all}; ${version} is taken, because ${why}` };
}

/** The version in a name such as `libcuda.so.590.48.01`; `null` for `libcuda.so.1` and other files. */
function versionOf(name: string): string | null {
  const library = core.find((each) => name.startsWith(`${each}.`));
  const rest = library === undefined ? '' : name.slice(library.length + 1);
  return /^\d+(\.\d+)+$/.test(rest) ? rest : null;
}

function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}
