import { readFile, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { DriverFiles, HostFile } from '../allocation/cdi/driver-files.ts';
import { findLibraries, libraryFoldersToSearch, type DriverLibraries } from './driver-libraries.ts';
import { findFirmware, findPrograms, findSockets, type RootedFile } from './driver-programs.ts';
import { orWhenAbsent } from './absence.ts';
import { RootedFiles } from './rooted-files.ts';

export interface DriverFinderOptions {
  /** Where we see the driver's root. */
  readonly seenAt: string;
  /** Where it is on the host. */
  readonly onHost: string;
  readonly sysfsRoot: string;
  /** Takes libraries of no version too. */
  readonly explicitLibraries: boolean;
  /** Takes the sockets of the driver's services. */
  readonly sockets: boolean;
}

export interface FoundDriver {
  readonly files: DriverFiles;
  /** Names of what was not found and is left out. */
  readonly missing: readonly string[];
  /** What is odd about the installation, for an administrator; `null` when nothing is. */
  readonly trouble: string | null;
}

/** Finds the driver's files, again and again: the many libraries only when one of their folders has changed. */
export class DriverFinder {
  readonly #options: DriverFinderOptions;
  readonly #files: RootedFiles;
  #known: { readonly key: string; readonly libraries: DriverLibraries } | null = null;

  constructor(options: DriverFinderOptions) {
    this.#options = options;
    this.#files = new RootedFiles(options.seenAt);
  }

  /** @param running version of the kernel driver; `null` when it is not known */
  async find(running: string | null): Promise<FoundDriver> {
    const files = this.#files;
    const libraries = await this.#libraries(running);
    const { version } = libraries;
    const none = { found: [], missing: [] };
    const [programs, firmware, sockets] = await Promise.all([
      findPrograms(files),
      version === null ? none : findFirmware(files, version, await this.#firmwareFolder()),
      this.#options.sockets ? findSockets(files) : none,
    ]);
    return {
      files: {
        version,
        libraries: libraries.paths.map((path) => this.#onHost({ path, containerPath: path })),
        links: libraries.links,
        others: [...programs.found, ...firmware.found].map((file) => this.#onHost(file)),
        sockets: sockets.found.map((file) => this.#onHost(file)),
      },
      missing: [...programs.missing, ...firmware.missing, ...sockets.missing],
      trouble: libraries.trouble === null ? null : `${this.#describeRoot()}: ${libraries.trouble}`,
    };
  }

  /** An administrator knows it by its path on the host; in the agent's container it may be mounted elsewhere. */
  #describeRoot(): string {
    const { onHost, seenAt } = this.#options;
    return seenAt === onHost ? onHost : `${onHost}, seen at ${seenAt}`;
  }

  async #libraries(running: string | null): Promise<DriverLibraries> {
    const times = libraryFoldersToSearch.map(async (folder) => {
      const resolved = await this.#files.resolve(folder);
      if (resolved === null) return '-';
      const found = await orWhenAbsent(stat(join(this.#options.seenAt, resolved), { bigint: true }), null);
      return found === null ? '-' : `${found.dev}:${found.ino}:${found.mtimeNs}`;
    });
    const key = [running ?? '', ...(await Promise.all(times))].join(' ');
    if (this.#known?.key !== key) {
      const libraries = await findLibraries(this.#files, running, this.#options.explicitLibraries);
      this.#known = { key, libraries };
    }
    return this.#known.libraries;
  }

  /** Where the kernel looks for firmware first, as a path under the driver root; driver containers set it to a path on the host. */
  async #firmwareFolder(): Promise<string | null> {
    const parameter = join(this.#options.sysfsRoot, 'module/firmware_class/parameters/path');
    const folder = (await orWhenAbsent(readFile(parameter, 'utf8'), '')).trim();
    if (!folder.startsWith('/')) return null;
    const { onHost } = this.#options;
    return onHost !== '/' && folder.startsWith(`${onHost}/`) ? folder.slice(onHost.length) : folder;
  }

  #onHost({ path, containerPath }: RootedFile): HostFile {
    return { hostPath: posix.join(this.#options.onHost, path), containerPath };
  }
}
