import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Debian packages that a program needs which is linked to glibc and written in C++, as Node is. */
export const runtimePackages = ['libc6', 'libgcc-s1', 'libstdc++6'] as const;
const busybox = '/bin/busybox';

/** What base images are made of: programs and libraries of one architecture. */
export interface BaseParts {
  /** The folder that the libraries' paths begin in. */
  readonly root: string;
  /** Absolute paths as they will be in the image: files, and links to files. */
  readonly libraries: readonly string[];
  /** A static busybox. */
  readonly busybox: string;
  readonly node: string;
  /** The folder of a package `npm`. */
  readonly npm: string;
}

/** What this machine has: its Debian packages as they are installed. */
export async function installedParts(node: string, npm: string): Promise<BaseParts> {
  const { stdout } = await run('dpkg', ['-L', ...runtimePackages]);
  return { root: '/', libraries: stdout.split('\n').filter(isRuntimeLibrary), busybox, node, npm };
}

/** Whether a file of these packages is one that programs are linked to. */
export function isRuntimeLibrary(path: string): boolean {
  return /\.so(\.[0-9.]+)?$/.test(path) && !path.includes('/gconv/');
}

/**
 * Lays out what the agent's image begins with: glibc and libstdc++ of Debian's, and no shell.
 * @param root an empty folder
 */
export async function layOutRuntimeBase(root: string, parts: BaseParts): Promise<void> {
  for (const folder of ['usr/lib', 'usr/lib64', 'etc', 'tmp'])
    await mkdir(join(root, folder), { recursive: true });
  for (const folder of ['lib', 'lib64']) await symlink(`usr/${folder}`, join(root, folder));
  for (const library of parts.libraries) {
    const from = join(parts.root, library);
    const found = await readdir(dirname(from)).catch(() => []);
    if (found.length === 0)
      throw new Error(`Debian's packages are said to have ${library}, and it is not there`);
    await mkdir(dirname(join(root, library)), { recursive: true });
    await cp(from, join(root, library), { verbatimSymlinks: true });
  }
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\n');
}

/** The same with a shell, the usual commands, Node and npm: what the image is built in. */
export async function layOutBuildBase(root: string, parts: BaseParts): Promise<void> {
  await layOutRuntimeBase(root, parts);
  for (const folder of ['bin', 'usr/bin', 'usr/local/bin', 'usr/local/lib/node_modules'])
    await mkdir(join(root, folder), { recursive: true });
  await cp(parts.busybox, join(root, 'bin/busybox'));
  // Debian's busybox has the same commands everywhere, and this machine can ask its own.
  const { stdout } = await run(busybox, ['--list']);
  for (const command of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox'))
    await symlink('/bin/busybox', join(root, 'usr/bin', command));
  await symlink('/bin/busybox', join(root, 'bin/sh'));
  await cp(parts.node, join(root, 'usr/local/bin/node'));
  await cp(parts.npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
}

const run = promisify(execFile);
