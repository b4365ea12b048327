import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Debian packages that a program needs which is linked to glibc and written in C++, as Node is. */
const runtimePackages = ['libc6', 'libgcc-s1', 'libstdc++6'];
const busybox = '/bin/busybox';

/**
 * Lays out what the agent's image begins with: glibc and libstdc++, as this machine's Debian packages have installed them, and no shell.
 * @param root an empty folder
 */
export async function layOutRuntimeBase(root: string): Promise<void> {
  for (const folder of ['usr/lib', 'usr/lib64', 'etc', 'tmp'])
    await mkdir(join(root, folder), { recursive: true });
  for (const folder of ['lib', 'lib64']) await symlink(`usr/${folder}`, join(root, folder));
  for (const library of await sharedLibraries()) {
    await mkdir(dirname(join(root, library)), { recursive: true });
    await cp(library, join(root, library), { verbatimSymlinks: true });
  }
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\n');
}

/** The same with a shell, the usual commands, Node and npm: what the image is built in. */
export async function layOutBuildBase(root: string, node: string, npm: string): Promise<void> {
  await layOutRuntimeBase(root);
  for (const folder of ['bin', 'usr/bin', 'usr/local/bin', 'usr/local/lib/node_modules'])
    await mkdir(join(root, folder), { recursive: true });
  await cp(busybox, join(root, 'bin/busybox'));
  const { stdout } = await run(busybox, ['--list']);
  for (const command of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox'))
    await symlink('/bin/busybox', join(root, 'usr/bin', command));
  await symlink('/bin/busybox', join(root, 'bin/sh'));
  await cp(node, join(root, 'usr/local/bin/node'));
  await cp(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
}

/** Files and links to files, as the packages name them. */
async function sharedLibraries(): Promise<readonly string[]> {
  const { stdout } = await run('dpkg', ['-L', ...runtimePackages]);
  const libraries = stdout
    .split('\n')
    .filter((path) => /\.so(\.[0-9.]+)?$/.test(path) && !path.includes('/gconv/'));
  for (const library of libraries) {
    const found = await readdir(dirname(library)).catch(() => []);
    if (found.length === 0) throw new Error(`dpkg says that there is ${library}, and there is none`);
  }
  return libraries;
}

const run = promisify(execFile);
