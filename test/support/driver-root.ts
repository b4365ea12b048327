import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Folder of the libraries in a made-up driver root. */
export const libraryFolder = '/usr/lib/x86_64-linux-gnu';

/** Makes a driver's installation of one version under a folder: libraries with their links, programs, firmware. */
export async function installDriver(root: string, version: string): Promise<void> {
  for (const library of ['libcuda', 'libnvidia-ml', 'libnvidia-ptxjitcompiler'])
    await put(root, `${libraryFolder}/${library}.so.${version}`, 'library');
  for (const library of ['libcuda', 'libnvidia-ml']) {
    await link(root, `${libraryFolder}/${library}.so.1`, `${library}.so.${version}`);
  }
  await link(root, `${libraryFolder}/libnvidia-ml.so`, 'libnvidia-ml.so.1');
  await put(root, `/lib/firmware/nvidia/${version}/gsp_ga10x.bin`, 'firmware');
  for (const program of ['nvidia-smi', 'nvidia-persistenced']) await putProgram(root, `/usr/bin/${program}`);
}

export async function put(root: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

export async function putProgram(root: string, path: string): Promise<void> {
  await put(root, path, '#!/bin/sh\n');
  await chmod(join(root, path), 0o755);
}

/** Makes a link, in place of one that is there. */
export async function link(root: string, path: string, target: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await rm(join(root, path), { force: true });
  await symlink(target, join(root, path));
}
