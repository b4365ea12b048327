import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/** Runs `go <args>` in a folder and resolves with what it printed. Rejects with what it said when it fails. */
export type Go = (
  args: readonly string[],
  folder: string,
  env?: Readonly<Record<string, string>>,
) => Promise<string>;

/** What to do with each line that Go says while it works. */
type Listener = (line: string) => void;

/** Go, or `null` where there is none. It works at low priority. */
export function findGo(onLine: Listener = () => undefined): Go | null {
  const program = findProgram('go', ['/usr/local/go/bin', '/usr/lib/go/bin']);
  if (program === null) return null;
  return async (args, folder, env = {}) => {
    const child = spawn('nice', ['-n', '10', program, ...args], {
      cwd: folder,
      env: { ...process.env, ...settings, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      onLine(line);
    });
    const closed = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const [output, code] = await Promise.all([text(child.stdout), closed]);
    if (code !== 0) throw new Error(`go ${args.join(' ')} failed:\n${said.slice(-30).join('\n')}`);
    return output;
  };
}

/** The path of a program: in the usual folders, or else where the shell would find it; `null` where there is none. */
export function findProgram(name: string, folders: readonly string[] = []): string | null {
  const searched = [...folders, ...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return searched.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;
}

/**
 * Neither the tester's own settings nor a workspace around the checkout may change what is built. `-trimpath` keeps the folder
 * out of it, so that Go's build cache serves any checkout.
 */
const settings = { GOFLAGS: '-trimpath -buildvcs=false', GOWORK: 'off', GOTOOLCHAIN: 'auto' };
