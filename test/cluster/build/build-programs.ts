import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findGo } from './go.ts';
import { defaultKubernetes } from './kubernetes-module.ts';
import { installPackages, whyNoCluster } from './needs.ts';
import { clusterParts } from './parts.ts';
import { createProgress, type Progress } from './progress.ts';

/** Everything a cluster is made of, built. */
export interface Programs {
  readonly kubernetes: string;
  /** Absolute path of a program, or of an image's archive (`pause.tar`). */
  path(name: string): string;
  /** All folders with programs, as a `PATH`. */
  readonly searchPath: string;
}

/**
 * Builds what is not built yet, in the tester's cache folder and not in the checkout. What goes into a part is in its folder's
 * name, so a change builds that part anew and the others stay. Any folder there may be removed at any time.
 * @param kubernetes a version with a leading `v`
 */
export async function buildPrograms(
  kubernetes: string = defaultKubernetes,
  progress: Progress = createProgress(),
): Promise<Programs> {
  const go = findGo((line) => progress.detail(line));
  const reason = whyNoCluster();
  if (go === null || reason !== null) throw new Error(`No cluster can run here: ${reason ?? ''}`);
  await installPackages((text) => progress.say(text));
  const folders = new Map<string, string>();
  const folderOf = (name: string): string => folders.get(name) ?? '';
  for (const part of clusterParts(kubernetes)) {
    const key = createHash('sha256')
      .update(`${process.arch}\n${await part.recipe()}`)
      .digest('hex');
    const folder = join(cacheFolder(), `${part.name}-${key.slice(0, 12)}`);
    folders.set(part.name, folder);
    if (existsSync(folder)) continue;
    const unfinished = `${folder}.${process.pid}`;
    await mkdir(unfinished, { recursive: true });
    try {
      await progress.during(part.title, () => part.build(go, unfinished, folderOf));
      await rename(unfinished, folder);
      if (part.keepsOne === true) await removeFormer(part.name, folder);
    } catch (thrown) {
      await rm(unfinished, { recursive: true, force: true });
      if (!existsSync(folder)) throw thrown; // else another one has built it meanwhile
    }
  }
  const files = new Map<string, string>();
  for (const folder of folders.values()) {
    for (const name of await readdir(folder)) files.set(name, join(folder, name));
  }
  return {
    kubernetes,
    path(name) {
      const path = files.get(name);
      if (path === undefined) throw new Error(`No part of the cluster is called ${name}`);
      return path;
    },
    searchPath: [...folders.values()].join(':'),
  };
}

/** Those that nobody has built in the last hours: a run of another checkout may be using a younger one. */
async function removeFormer(name: string, current: string): Promise<void> {
  const former = (await readdir(cacheFolder())).filter((each) => each.startsWith(`${name}-`));
  for (const path of former.map((each) => join(cacheFolder(), each))) {
    const { mtimeMs } = await stat(path);
    if (path !== current && Date.now() - mtimeMs > 4 * 3_600_000)
      await rm(path, { recursive: true, force: true });
  }
}

function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? '';
  return join(base === '' ? join(homedir(), '.cache') : base, 'slicewise/cluster');
}
