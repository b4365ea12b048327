import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The agent's image, laid out for programs that are started without a container runtime. */
export interface AgentImage {
  readonly rootfs: string;
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Lays out the files of an image of one's own.
 * @param archive as `docker save` writes it
 * @param folder is made
 */
export async function layOutImage(archive: string, folder: string): Promise<AgentImage> {
  const [rootfs, parts] = [join(folder, 'rootfs'), join(folder, 'parts')];
  await mkdir(rootfs, { recursive: true });
  await mkdir(parts);
  await tar(['-xf', archive, '-C', parts]);
  const [manifest] = await readJson<
    readonly { readonly Config: string; readonly Layers: readonly string[] }[]
  >(join(parts, 'manifest.json'));
  if (manifest === undefined) throw new Error(`There is no image in ${archive}`);
  // Nothing is taken away in any layer of it.
  for (const layer of manifest.Layers) await tar(['-xf', join(parts, layer), '-C', rootfs]);
  const { config } = await readJson<{
    readonly config: { readonly Entrypoint: readonly string[]; readonly Env: readonly string[] };
  }>(join(parts, manifest.Config));
  const env = config.Env.map((each): [string, string] => {
    const at = each.indexOf('=');
    return [each.slice(0, at), each.slice(at + 1)];
  });
  return { rootfs, entrypoint: config.Entrypoint, env: Object.fromEntries(env) };
}

async function tar(args: readonly string[]): Promise<void> {
  await promisify(execFile)('tar', [...args]);
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}
