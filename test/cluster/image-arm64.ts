import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeAgentImage } from './build/agent-image.ts';
import { fetchArm64 } from './build/arm64.ts';
import { cacheFolder } from './build/build-programs.ts';
import { installPackages, whyNoCluster } from './build/needs.ts';

/**
 * Builds the image for linux/arm64 and looks whether it would run there: every program and library in it is for that machine, and the
 * program starts under an emulator. `image:arm64`.
 */
const aarch64 = 183;
const run = promisify(execFile);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const reason = whyNoCluster();
if (reason !== null) throw new Error(`No image can be built here: ${reason}`);
await installPackages(say);
const folder = await mkdtemp(join(tmpdir(), 'sw-arm64-'));
try {
  const kept = join(cacheFolder(), 'arm64');
  await mkdir(kept, { recursive: true });
  const machine = await fetchArm64(kept);
  say('what the image is made of is there');
  const archive = join(folder, 'agent.tar');
  await writeAgentImage(archive, machine);
  const root = await unpack(archive);
  const machines = await readMachines(root);
  const others = [...machines].filter(([, machineOfFile]) => machineOfFile !== aarch64);
  if (others.length > 0) throw new Error(`Not for arm64: ${others.map(([file]) => file).join(', ')}`);
  for (const needed of ['usr/bin/node', 'koffi.node', 'ld-linux-aarch64.so.1', 'libstdc++.so.6'])
    if (![...machines.keys()].some((file) => file.includes(needed))) throw new Error(`There is no ${needed}`);
  say(`${machines.size} programs and libraries, all for arm64`);
  const koffi = `const k = require('/usr/lib/slicewise/node_modules/koffi');
    console.log(process.arch, k.load('libc.so.6').func('int getpid()')() === process.pid ? 'koffi calls C' : 'koffi errs')`;
  for (const command of [
    ['/usr/bin/slicewise', 'version'],
    ['/usr/bin/slicewise', 'config', 'check', '--help'],
    ['/usr/bin/node', '-e', koffi],
  ]) {
    const [program = '', ...args] = [...machine.emulator, 'chroot', root, ...command];
    const { stdout } = await run(program, args, { env: {} });
    say(`${command.slice(0, 2).join(' ')}: ${stdout.split('\n')[0] ?? ''}`);
    if (stdout.includes('koffi') && !stdout.includes('arm64 koffi calls C')) throw new Error(stdout);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Lays the image's layers over each other. */
async function unpack(archive: string): Promise<string> {
  const [layers, root] = [join(folder, 'layers'), join(folder, 'root')];
  for (const each of [layers, root]) await mkdir(each);
  await run('tar', ['--extract', '--file', archive, '--directory', layers]);
  const [manifest] = JSON.parse(await readFile(join(layers, 'manifest.json'), 'utf8')) as [
    { readonly Config: string; readonly Layers: readonly string[] },
  ];
  const config = JSON.parse(await readFile(join(layers, manifest.Config), 'utf8')) as {
    architecture: string;
  };
  if (config.architecture !== 'arm64')
    throw new Error(`The image says that it is for ${config.architecture}`);
  for (const layer of manifest.Layers)
    await run('tar', ['--extract', '--file', join(layers, layer), '--directory', root]);
  return root;
}

/** For which machine each ELF file below a folder is: `e_machine` of its header. */
async function readMachines(root: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
    if (bytesRead === 20 && buffer.subarray(0, 4).toString('latin1') === '\x7fELF')
      found.set(path.slice(root.length + 1), buffer.readUInt16LE(18));
  }
  return found;
}
