import { posix } from 'node:path';
import type { SymbolicLink } from '../allocation/cdi/driver-files.ts';
import { chooseVersion } from './driver-version.ts';
import type { RootedFiles } from './rooted-files.ts';

/** The driver's libraries under a root, by their paths there. */
export interface DriverLibraries {
  readonly version: string | null;
  readonly paths: readonly string[];
  readonly links: readonly SymbolicLink[];
  /** What an administrator should know; `null` when nothing is odd. */
  readonly trouble: string | null;
}

/** Where distributions and driver containers put the driver's 64-bit libraries. */
export const libraryFoldersToSearch: readonly string[] = [
  'usr/lib64',
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'usr/lib/x86_64-linux-gnu/nvidia/current',
  'usr/lib/aarch64-linux-gnu/nvidia/current',
  'lib64',
  'lib/x86_64-linux-gnu',
  'lib/aarch64-linux-gnu',
].flatMap((folder) => [`/${folder}`, `/${folder}/vdpau`]);

/** Libraries of no version, or of another than the driver's; taken only when asked for (`enable-explicit-driver-libraries`). */
const explicitLibraries = [
  'libEGL.so',
  'libGL.so',
  'libGLESv1_CM.so',
  'libGLESv2.so',
  'libGLX.so',
  'libGLdispatch.so',
  'libOpenCL.so',
  'libOpenGL.so',
  'libnvidia-api.so',
  'libnvidia-egl-xcb.so',
  'libnvidia-egl-xlib.so',
];

/** Links that programs count on and that not every installation has (nvidia-container-toolkit, internal/discover/symlinks.go). */
const expectedLinks: readonly {
  readonly library: string;
  readonly link: string;
  readonly target: string | null;
}[] = [
  { library: 'libcuda.so', link: 'libcuda.so', target: 'libcuda.so.1' },
  { library: 'libGLX_nvidia.so', link: 'libGLX_indirect.so.0', target: null },
  {
    library: 'libnvidia-opticalflow.so',
    link: 'libnvidia-opticalflow.so',
    target: 'libnvidia-opticalflow.so.1',
  },
];

/**
 * Finds the libraries that end in the driver's version, and the links that lead to them.
 * @param running version of the kernel driver; `null` when it is not known
 */
export async function findLibraries(
  files: RootedFiles,
  running: string | null,
  explicit: boolean,
): Promise<DriverLibraries> {
  const folders = await existing(files, libraryFoldersToSearch);
  const { version, trouble } = await chooseVersion(files, folders, running);
  if (version === null) return { version, paths: [], links: [], trouble };
  const wanted = await findFiles(files, folders, (name) => isWanted(name, version, explicit));
  const paths = new Set(wanted.map(({ resolved }) => resolved));
  const stems = new Set(wanted.map(({ name }) => stemOf(name)));
  const links = await findLinks(files, folders, stems, { version, paths });
  for (const path of paths) addExpectedLink(path, version, links);
  return {
    version,
    paths: [...paths],
    links: [...links].map(([path, target]) => ({ target, path })),
    trouble,
  };
}

/** Files by name, and where they lie without links; what is no file is left out. */
async function findFiles(
  files: RootedFiles,
  folders: readonly string[],
  accepts: (name: string) => boolean,
): Promise<{ readonly name: string; readonly resolved: string }[]> {
  const found = [];
  for (const folder of folders) {
    for (const name of (await files.list(folder)).filter(accepts)) {
      const resolved = await files.resolve(posix.join(folder, name));
      if (resolved !== null && (await files.stat(resolved))?.kind === 'file') found.push({ name, resolved });
    }
  }
  return found;
}

/**
 * Links by their path that lead to one of the files, among those whose names belong to one of the libraries. Where another
 * version is installed beside, the installation's links may lead to that one: containers have them lead to the one that is taken.
 */
async function findLinks(
  files: RootedFiles,
  folders: readonly string[],
  stems: ReadonlySet<string>,
  { version, paths }: { readonly version: string; readonly paths: ReadonlySet<string> },
): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  for (const folder of folders) {
    for (const name of (await files.list(folder)).filter((each) => stems.has(stemOf(each)))) {
      const path = posix.join(folder, name);
      const target = await files.readLink(path);
      const resolved = target === null ? null : await files.resolve(path);
      if (target === null || resolved === null) continue;
      const taken = `${stemOf(name)}.${version}`;
      const library = paths.has(resolved)
        ? resolved
        : [...paths].find((each) => posix.basename(each) === taken);
      if (library === undefined) continue;
      // A name alone holds wherever the folder is; a way through other folders may not be there in a container.
      const holds = !target.includes('/') && (library === resolved || target !== posix.basename(resolved));
      links.set(path, holds ? target : linkTarget(path, library));
    }
  }
  return links;
}

/** The folders that there are, without links and without repetitions. */
async function existing(files: RootedFiles, folders: readonly string[]): Promise<readonly string[]> {
  const resolved = await Promise.all(folders.map((folder) => files.resolve(folder)));
  return [...new Set(resolved.filter((folder) => folder !== null))];
}

function isWanted(name: string, version: string, explicit: boolean): boolean {
  if (/^lib.+\.so\./.test(name) && name.endsWith(`.so.${version}`)) return true;
  // The compiler library of older drivers has a version of its own.
  if (/^libnvidia-nvvm70\.so\.\d+$/.test(name)) return true;
  return explicit && explicitLibraries.includes(name);
}

/** `libcuda.so` of `libcuda.so.1` and of `libcuda.so.590.48.01`. */
function stemOf(name: string): string {
  return /^lib.+?\.so(?=\.|$)/.exec(name)?.[0] ?? name;
}

function linkTarget(path: string, resolved: string): string {
  return posix.dirname(path) === posix.dirname(resolved) ? posix.basename(resolved) : resolved;
}

function addExpectedLink(path: string, version: string, links: Map<string, string>): void {
  const name = posix.basename(path);
  const expected = expectedLinks.find(({ library }) => name === `${library}.${version}`);
  if (expected === undefined) return;
  const link = posix.join(posix.dirname(path), expected.link);
  if (!links.has(link)) links.set(link, expected.target ?? name);
}
