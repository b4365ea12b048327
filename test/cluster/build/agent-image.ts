import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type BaseParts, installedParts, layOutBuildBase, layOutRuntimeBase } from './base-images.ts';
import { findProgram } from './go.ts';
import { hashTree } from './hash-tree.ts';

/** The agent's image in the test cluster, where nothing is pulled. */
export const agentImage = 'localhost/slicewise:test';

const checkout = join(import.meta.dirname, '../../..');
const bases = { build: 'localhost/base/build', runtime: 'localhost/base/runtime' } as const;

/** What goes into the image, as a text. */
export async function agentImageRecipe(): Promise<string> {
  const hashes = sources.map(async (source) => `${source} ${await hashTree(join(checkout, source))}`);
  return (await Promise.all(hashes)).join('\n');
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

/** What an image is built for and with, where that is not this machine. */
export interface ImageMachine {
  /** As OCI names it: `arm64`. */
  readonly architecture: string;
  readonly parts: BaseParts;
  /** The command that a command is run by, so that programs of that machine run here. */
  readonly emulator: readonly string[];
  /** npm's cache, with the packages that are for that machine. */
  readonly npmCache: string;
}

/**
 * Builds the image of the project's own Dockerfile without network and without an engine, on bases made of what this machine has or is
 * given, and writes it as an archive.
 */
export async function writeAgentImage(archive: string, machine?: ImageMachine): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slicewise-image-'));
  try {
    const buildah = await openBuildah(join(folder, 'store'), machine);
    const parts = machine?.parts ?? (await installedParts(process.execPath, await npmFolder()));
    await layOutRuntimeBase(await emptyFolder(join(folder, 'runtime')), parts);
    await layOutBuildBase(await emptyFolder(join(folder, 'build')), parts);
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
      `${machine?.npmCache ?? (await npmCache())}:/npm`,
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
async function openBuildah(store: string, machine?: ImageMachine): Promise<Buildah> {
  await mkdir(store);
  const policy = join(store, 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const global = ['--storage-driver', 'vfs', '--root', join(store, 'root'), '--runroot', join(store, 'run')];
  return async ([command = '', ...args]) => {
    const arch = machine === undefined ? [] : ['--arch', machine.architecture];
    const own = command === 'bud' ? ['--isolation', 'chroot', '--pull-never', ...arch] : [];
    const line = ['buildah', ...global, command, '--signature-policy', policy, ...own, ...args];
    const [program = '', ...all] = [...(machine?.emulator ?? []), ...line];
    await run(program, all, { maxBuffer: 64 * 1024 * 1024 });
  };
}

async function emptyFolder(path: string): Promise<string> {
  await mkdir(path);
  return path;
}

/** That of the npm which installed the packages of this checkout. */
export async function npmFolder(): Promise<string> {
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
