import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { buildPrograms, type Programs } from '../build/build-programs.ts';
import type { Cluster } from '../node/cluster.ts';

/** The project's own chart. */
export const chart = join(import.meta.dirname, '../../../charts/slicewise');

/** How a command of helm ended. */
export interface HelmEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What helm's client of Kubernetes now and then says of its own connections, as where one ends a moment before its watch does. */
const clientWords = /^[IW]\d{4} .* reflector\.go:.*\n/gm;

let programs: Promise<Programs> | undefined;

/** Runs helm, with values that are written to a file for it. What helm keeps for itself goes to a folder of this call. */
export async function helm(
  args: readonly string[],
  options: { readonly values?: object; readonly cluster?: Cluster } = {},
): Promise<HelmEnd> {
  const program = (options.cluster?.programs ?? (await (programs ??= buildPrograms()))).path('helm');
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  try {
    const file = join(folder, 'values.yaml');
    await writeFile(file, stringify(options.values ?? {}));
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      KUBECONFIG: options.cluster?.paths.kubeconfig ?? join(folder, 'none'),
    };
    const all = options.values === undefined ? args : [...args, '--values', file];
    return await new Promise((resolve) => {
      execFile(program, [...all], { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
        const said = stderr.replaceAll(clientWords, '');
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr: said });
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same for commands that have to succeed. */
export async function helmOrThrow(...args: Parameters<typeof helm>): Promise<string> {
  const { code, stdout, stderr } = await helm(...args);
  if (code !== 0) throw new Error(`helm ${args[0].join(' ')} ended with ${code}:\n${stderr}`);
  return stdout;
}
