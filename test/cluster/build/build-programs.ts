import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findGo, type Go } from './go.ts';
import { defaultKubernetes } from './kubernetes-module.ts';
import { installPackages, whyNoCluster } from './needs.ts';
import { type BuiltPart, clusterParts, type Part } from './parts.ts';
import { createProgress, type Progress } from './progress.ts';

/** Everything a cluster is made of, built. */
export interface Programs {
  readonly kubernetes: string;
  /** Absolute path of a program, or of an image's archive (`pause.tar`). */
  path(name: string): string;
  /** All folders with programs, as a `PATH`. */
  readonly searchPath: string;
  /** Why a part that a cluster can do without could not be built, by the part's name. */
  readonly missing: Readonly<Record<string, string>>;
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
  const missing: Record<string, string> = {};
  const folderOf = (name: string): string => folders.get(name) ?? '';
  for (const part of clusterParts(kubernetes)) {
    const key = createHash('sha256')
      .update(`${process.arch}\n${await part.recipe()}`)
      .digest('hex');
    const folder = join(cacheFolder(), `${part.name}-${key.slice(0, 12)}`);
    const why = existsSync(folder) ? null : await buildInto(folder, part, go, folderOf, progress);
    if (why === null) folders.set(part.name, folder);
    else missing[part.name] = why;
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
    missing,
  };
}

/**
 * Builds a part that is not there.
 * @returns `null`, or why it is not there now either: only for a part that the cluster can do without
 */
async function buildInto(
  folder: string,
  part: Part,
  go: Go,
  folderOf: BuiltPart,
  progress: Progress,
): Promise<string | null> {
  const failed = `${folder}.failed`;
  const before = await readRecent(failed);
  if (before !== null) return before;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    await progress.during(part.title, () => part.build(go, unfinished, folderOf));
    await rename(unfinished, folder);
    if (part.keepsOne === true) await removeFormer(part.name, folder);
  } catch (thrown) {
    await rm(unfinished, { recursive: true, force: true });
    if (existsSync(folder)) return null; // another one has built it meanwhile
    if (part.isNeeded !== false) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    await writeFile(failed, why);
    progress.say(`The cluster goes on without ${part.title}: ${why}`);
    return why;
  }
  return null;
}

/** What a file says that is younger than an hour: for so long a build that failed is not tried again by each test. */
async function readRecent(file: string): Promise<string | null> {
  const found = await stat(file).catch(() => null);
  if (found === null || Date.now() - found.mtimeMs > 3_600_000) return null;
  return readFile(file, 'utf8');
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

export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? '';
  return join(base === '' ? join(homedir(), '.cache') : base, 'slicewise/cluster');
}
