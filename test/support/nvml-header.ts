import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Something the tests need from outside, or why it is not to be had here. */
export type Found = { readonly path: string } | { readonly missing: string };

/**
 * NVIDIA's own `nvml.h`, from the Go module that carries it; fetched once into Go's module cache, never committed.
 */
async function nvmlHeader(): Promise<Found> {
  const go = ['/usr/local/go/bin/go'].find((path) => existsSync(path)) ?? 'go';
  try {
    const { stdout } = await run(go, ['mod', 'download', '-json', headerModule], { cwd: tmpdir() });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    return { path: join(Dir, 'pkg/nvml/nvml.h') };
  } catch (thrown) {
    return { missing: `nvml.h needs Go and the module ${headerModule}: ${firstLine(thrown)}` };
  }
}

/**
 * Compiles C against `nvml.h` with every warning an error. The result is kept in the system's temporary folder under a
 * name made of all that went in.
 * @param sources absolute paths of C files; files beside them that they include count too
 * @param flags for gcc; `-shared -fPIC` for a library
 */
export async function compileAgainstHeader(
  name: string,
  sources: readonly string[],
  flags: readonly string[],
  includes: readonly string[] = [],
): Promise<Found> {
  const header = await nvmlHeader();
  if ('missing' in header) return header;
  const hash = createHash('sha256').update(JSON.stringify([flags, sources.map((path) => basename(path))]));
  for (const path of [header.path, ...sources, ...includes]) hash.update(await readFile(path));
  const folder = join(tmpdir(), `slicewise-nvml-${hash.digest('hex').slice(0, 16)}`);
  const path = join(folder, name);
  if (existsSync(path)) return { path };
  await mkdir(folder, { recursive: true });
  const unfinished = join(folder, `${name}.${process.pid}.${Math.random().toString(36).slice(2)}`);
  const warnings = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-Wmissing-prototypes', '-O1'];
  const include = ['-isystem', dirname(header.path)];
  try {
    await run('gcc', [...warnings, ...include, ...flags, '-o', unfinished, ...sources, '-ldl']);
    await rename(unfinished, path);
  } catch (thrown) {
    await rm(unfinished, { force: true });
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') {
      return { missing: 'gcc is not installed' };
    }
    throw thrown;
  }
  return { path };
}

/**
 * For the top of a test file: true where the thing is missing, which is printed, so that its tests are skipped in plain
 * sight. In CI nothing may be missing.
 */
export function mustSkip(found: Found, what: string): boolean {
  if ('path' in found) return false;
  if (process.env['CI'] !== undefined && process.env['CI'] !== '') {
    throw new Error(`${what} cannot run, and CI may not skip it: ${found.missing}`);
  }
  process.stderr.write(`skipped: ${what}: ${found.missing}\n`);
  return true;
}

const run = promisify(execFile);
const headerModule = 'github.com/NVIDIA/go-nvml@v0.13.0-1';

function firstLine(thrown: unknown): string {
  return String(thrown instanceof Error ? thrown.message : thrown).split('\n')[0] ?? '';
}
