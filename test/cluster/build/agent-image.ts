import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { layOutBuildBase, layOutRuntimeBase } from './base-images.ts';
import { findProgram } from './go.ts';

/** The agent's image in the test cluster, where nothing is pulled. */
export const agentImage = 'localhost/slicewise:test';

const checkout = join(import.meta.dirname, '../../..');
const bases = { build: 'localhost/base/build', runtime: 'localhost/base/runtime' } as const;

/** What goes into the image, as a text. */
export async function agentImageRecipe(): Promise<string> {
  const sum = createHash('sha256');
  for (const root of sources) {
    const path = join(checkout, root);
    const isFolder = (await stat(path)).isDirectory();
    const entries = isFolder ? await readdir(path, { recursive: true, withFileTypes: true }) : [];
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const file of isFolder ? files.toSorted() : [path]) {
      sum.update(file.slice(checkout.length)).update(await readFile(file));
    }
  }
  return sum.digest('hex');
}

/** What the Dockerfile copies, and how its bases are made. */
const sources = [
  'Dockerfile',
  '.dockerignore',
  'package.json',
  'package-lock.json',
  'LICENSE',
  'scripts/bundle.ts',
  'scripts/embedded-contracts.ts',
  'proto',
  'src',
  'test/cluster/build/base-images.ts',
  'test/cluster/build/agent-image.ts',
];

/**
 * Builds the image of the project's own Dockerfile without network and without an engine, on bases made of what this machine has, and
 * writes it as an archive.
 */
export async function writeAgentImage(archive: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slicewise-image-'));
  try {
    const buildah = await openBuildah(join(folder, 'store'));
    await layOutRuntimeBase(await emptyFolder(join(folder, 'runtime')));
    await layOutBuildBase(await emptyFolder(join(folder, 'build')), process.execPath, await npmFolder());
    const base = join(folder, 'Base');
    await writeFile(base, 'FROM scratch\nCOPY . /\n');
    for (const name of ['build', 'runtime'] as const)
      await buildah(['bud', '--file', base, '--tag', bases[name], join(folder, name)]);
    const args = {
      BUILD_IMAGE: bases.build,
      RUNTIME_IMAGE: bases.runtime,
      npm_config_offline: 'true',
      npm_config_cache: '/npm',
    };
    await buildah([
      'bud',
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      '--volume',
      `${await npmCache()}:/npm`,
      '--tag',
      agentImage,
      checkout,
    ]);
    await buildah(['push', agentImage, `docker-archive:${archive}:${agentImage}`]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Buildah = (args: readonly string[]) => Promise<void>;

/** Images are kept below the folder, and nothing of the machine's own store is used. */
async function openBuildah(store: string): Promise<Buildah> {
  await mkdir(store);
  const policy = join(store, 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const global = ['--storage-driver', 'vfs', '--root', join(store, 'root'), '--runroot', join(store, 'run')];
  return async ([command = '', ...args]) => {
    const own = command === 'bud' ? ['--isolation', 'chroot', '--pull-never'] : [];
    const all = [...global, command, '--signature-policy', policy, ...own, ...args];
    await run('buildah', all, { maxBuffer: 64 * 1024 * 1024 });
  };
}

async function emptyFolder(path: string): Promise<string> {
  await mkdir(path);
  return path;
}

/** That of the npm which installed the packages of this checkout. */
async function npmFolder(): Promise<string> {
  const npm = findProgram('npm');
  if (npm === null) throw new Error('There is no npm on this machine');
  return dirname(dirname(await realpath(npm)));
}

/** What was installed here is in it, so that nothing has to be fetched again. */
async function npmCache(): Promise<string> {
  const { stdout } = await run('npm', ['config', 'get', 'cache'], { cwd: checkout });
  return stdout.trim() || join(homedir(), '.npm');
}

const run = promisify(execFile);
