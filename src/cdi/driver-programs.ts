import { release } from 'node:os';
import { posix } from 'node:path';
import type { RootedFiles } from './rooted-files.ts';

/** A file as a container has it, and where it lies under the driver root without links. */
export interface RootedFile {
  readonly containerPath: string;
  readonly path: string;
}

/** What was found, and the names of what was not. */
export interface Search {
  readonly found: readonly RootedFile[];
  readonly missing: readonly string[];
}

/** The driver's own programs (nvidia-container-toolkit, pkg/nvcdi/driver-nvml.go). */
const programs = [
  'nvidia-smi',
  'nvidia-debugdump',
  'nvidia-persistenced',
  'nvidia-cuda-mps-control',
  'nvidia-cuda-mps-server',
  'nvidia-imex',
  'nvidia-imex-ctl',
];

const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The first executable file of each program's name. */
export async function findPrograms(files: RootedFiles): Promise<Search> {
  return search(programs, async (name) => {
    for (const folder of programFolders) {
      const file = await fileIn(files, folder, name);
      if (file !== null && (await files.stat(file.path))?.executable === true) return file;
    }
    return null;
  });
}

/** Firmware of the GPU's system processor, where the kernel looks for it. */
export async function findFirmware(
  files: RootedFiles,
  version: string,
  customFolder: string | null,
): Promise<Search> {
  const folders = [
    ...(customFolder === null ? [] : [customFolder]),
    `/lib/firmware/updates/${release()}`,
    '/lib/firmware/updates',
    `/lib/firmware/${release()}`,
    '/lib/firmware',
  ].map((folder) => `${folder}/nvidia/${version}`);
  for (const folder of folders) {
    const names = (await files.list(folder)).filter((name) => /^gsp.*\.bin$/.test(name));
    const found = await Promise.all(names.map((name) => fileIn(files, folder, name)));
    const there = found.filter((file) => file !== null);
    if (there.length > 0) return { found: there, missing: [] };
  }
  return { found: [], missing: ['gsp*.bin'] };
}

/** Sockets of the driver's services, and the folder of those of the Multi-Process Service. */
export async function findSockets(files: RootedFiles): Promise<Search> {
  const services = await search(
    ['nvidia-persistenced/socket', 'nvidia-fabricmanager/socket'],
    async (name) => {
      for (const folder of ['/run', '/var/run']) {
        const path = await files.resolve(`${folder}/${name}`);
        if (path !== null) return { path, containerPath: path };
      }
      return null;
    },
  );
  const mps = await search(['/tmp/nvidia-mps'], async (folder) => {
    const path = await files.resolve(folder);
    return path === null ? null : { path, containerPath: folder };
  });
  return { found: [...services.found, ...mps.found], missing: [...services.missing, ...mps.missing] };
}

async function search(
  names: readonly string[],
  find: (name: string) => Promise<RootedFile | null>,
): Promise<Search> {
  const results = await Promise.all(names.map(async (name) => ({ name, file: await find(name) })));
  return {
    found: results.flatMap(({ file }) => file ?? []),
    missing: results.filter(({ file }) => file === null).map(({ name }) => name),
  };
}

/** The file behind a name. A container has it in the folder's own place, also where the name is a link to elsewhere. */
async function fileIn(files: RootedFiles, folder: string, name: string): Promise<RootedFile | null> {
  const [place, path] = await Promise.all([files.resolve(folder), files.resolve(posix.join(folder, name))]);
  return place === null || path === null ? null : { path, containerPath: posix.join(place, name) };
}
