import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Found } from './nvml-header.ts';

/**
 * A program that reads CDI specs with the code that container runtimes read them with (tags.cncf.io/container-device-interface),
 * built by Go into a folder of its own.
 */
export async function buildCdiValidator(): Promise<Found> {
  const go = ['/usr/local/go/bin/go'].find((path) => existsSync(path)) ?? 'go';
  try {
    await promisify(execFile)(go, ['version']);
  } catch {
    return { missing: 'Go is not installed' };
  }
  const path = join(await mkdtemp(join(tmpdir(), 'sw-cdi-validator-')), 'cdi-validator');
  const cwd = fileURLToPath(new URL('cdi-validator', import.meta.url));
  const env = { ...process.env, GOFLAGS: '-trimpath -buildvcs=false', GOWORK: 'off' };
  try {
    await promisify(execFile)(go, ['build', '-o', path, '.'], { cwd, env });
    return { path };
  } catch (thrown) {
    return { missing: `the validator cannot be built: ${String(thrown).slice(0, 500)}` };
  }
}

/** What is wrong with each spec; the empty text for one that a runtime would take. */
export async function validateSpecs(
  validator: string,
  specs: readonly unknown[],
): Promise<readonly string[]> {
  const child = spawn(validator, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(specs.map((spec) => `${JSON.stringify(spec)}\n`).join(''));
  return (await text(child.stdout)).split('\n').slice(0, specs.length);
}
