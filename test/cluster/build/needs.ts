import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { findGo, findProgram } from './go.ts';

/** What the cluster needs from the machine beside Go, and the Debian package that has it. */
const needs: readonly { readonly package: string; found(): boolean }[] = [
  { package: 'gcc', found: () => findProgram('gcc') !== null },
  { package: 'libc6-dev', found: () => existsSync('/usr/include/stdlib.h') },
  { package: 'pkg-config', found: () => findProgram('pkg-config') !== null },
  { package: 'libseccomp-dev', found: () => existsSync('/usr/include/seccomp.h') },
  { package: 'iproute2', found: () => findProgram('ip') !== null },
  { package: 'iptables', found: () => findProgram('iptables') !== null },
  { package: 'buildah', found: () => findProgram('buildah') !== null },
  { package: 'busybox-static', found: () => existsSync('/bin/busybox') },
];

/**
 * Why no cluster can run here; `null` when one can. Debian packages are no reason where `installPackages` may install them.
 */
export function whyNoCluster(): string | null {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root, for namespaces, mounts and cgroups';
  if (findGo() === null) return 'it needs Go 1.21 or newer (a newer one is fetched by Go itself)';
  const missing = missingPackages();
  if (missing.length > 0 && findProgram('apt-get') === null) return `it needs ${missing.join(', ')}`;
  return null;
}

function missingPackages(): readonly string[] {
  return needs.filter((need) => !need.found()).map((need) => need.package);
}

/** Installs the Debian packages that are missing; does nothing where none is. Needs root. */
export async function installPackages(say: (text: string) => void): Promise<void> {
  const missing = missingPackages();
  if (missing.length === 0) return;
  say(`installing ${missing.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['-qq', 'update'], { env });
  await run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...missing], { env });
  const still = missingPackages();
  if (still.length > 0) throw new Error(`Still missing after their installation: ${still.join(', ')}`);
}

const run = promisify(execFile);
