import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';

/** How the program is started where it is installed. */
export const program = {
  executable: process.execPath,
  options: [],
  script: inject('agentBundle'),
} as const;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An environment in which nothing of the tester's own is set but the search path. */
export function cleanEnvironment(): Readonly<Record<string, string>> {
  return { PATH: process.env['PATH'] ?? '' };
}

/** Runs `slicewise <args>` to its end, without a terminal. It is killed when the signal aborts. */
export async function runToEnd(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): Promise<Ended> {
  const child = spawn(program.executable, [...program.options, program.script, ...args], {
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  child.on('error', () => undefined);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: code as number | null, stdout, stderr };
}
