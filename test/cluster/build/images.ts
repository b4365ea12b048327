import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type TarEntry, writeTar } from './tar.ts';

/** The images that every cluster has. They are never pulled. */
export const images = { pause: 'localhost/pause:1', busybox: 'localhost/busybox:1' } as const;

/** Writes the image of a pod's sandbox, from a static program. */
export async function writePauseImage(program: string, archive: string): Promise<void> {
  const entries = [{ path: 'pause', content: await readFile(program), mode: 0o755 }];
  await writeImage(archive, images.pause, entries, ['/pause']);
}

/** Writes an image with a shell and the usual commands, from a static busybox. */
export async function writeBusyboxImage(program: string, archive: string): Promise<void> {
  const { stdout } = await promisify(execFile)(program, ['--list']);
  const commands = stdout.split('\n').filter((command) => command !== '' && command !== 'busybox');
  const entries: TarEntry[] = [
    { path: 'bin', folder: true },
    { path: 'tmp', folder: true, mode: 0o1777 },
    { path: 'bin/busybox', content: await readFile(program), mode: 0o755 },
    ...commands.map((command) => ({ path: `bin/${command}`, linkTo: 'busybox' })),
  ];
  await writeImage(archive, images.busybox, entries, []);
}

/** Writes an image of one layer in the form that `docker save` writes and `ctr images import` reads. */
async function writeImage(
  archive: string,
  name: string,
  entries: readonly TarEntry[],
  entrypoint: readonly string[],
): Promise<void> {
  const layer = writeTar(entries);
  const config = {
    os: 'linux',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    config: { Entrypoint: entrypoint, Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  await writeFile(
    archive,
    writeTar([
      { path: 'config.json', content: Buffer.from(JSON.stringify(config)) },
      { path: 'layer.tar', content: layer },
      { path: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
    ]),
  );
}
