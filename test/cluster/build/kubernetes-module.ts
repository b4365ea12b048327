import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Go } from './go.ts';

/** The Kubernetes that is built when nobody says otherwise; `programs/go.mod` requires it and `go.sum` has its checksums. */
export const defaultKubernetes = 'v1.36.3';

/**
 * Makes the Go module in a folder require a version of Kubernetes. Kubernetes' own module replaces its parts (`k8s.io/api`, …)
 * with folders beside it, which counts for itself only; whoever requires it must replace them with their published versions.
 * @param version `v1.36.3`; its parts have the version `v0.36.3`
 */
export async function requireKubernetes(go: Go, folder: string, version: string): Promise<void> {
  const [, minorAndPatch] = /^v1\.(\d+\.\d+)$/.exec(version) ?? [];
  if (minorAndPatch === undefined)
    throw new Error(`A Kubernetes version looks like ${defaultKubernetes}, not "${version}"`);
  const { GoMod } = JSON.parse(
    await go(['mod', 'download', '-json', `k8s.io/kubernetes@${version}`], folder),
  ) as { GoMod: string };
  const theirs = JSON.parse(await go(['mod', 'edit', '-json', GoMod], folder)) as GoModFile;
  const parts = (theirs.Replace ?? []).flatMap(({ Old, New }) =>
    New.Path.startsWith('./') ? [Old.Path] : [],
  );
  const lines = [
    'module slicewise/test/cluster',
    `go ${theirs.Go}`,
    `require k8s.io/kubernetes ${version}`,
    'replace (',
    ...parts.map((part) => `\t${part} => ${part} v0.${minorAndPatch}`),
    ')',
  ];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await writeFile(join(folder, 'go.sum'), '');
  await go(['mod', 'tidy'], folder);
}

/** Whether the folder's module requires that version already. */
export async function requiresKubernetes(folder: string, version: string): Promise<boolean> {
  const text = await readFile(join(folder, 'go.mod'), 'utf8');
  return text.includes(`k8s.io/kubernetes ${version}\n`);
}

/** What `go mod edit -json` prints, as far as needed. */
interface GoModFile {
  readonly Go: string;
  readonly Replace?: readonly {
    readonly Old: { readonly Path: string };
    readonly New: { readonly Path: string };
  }[];
}
