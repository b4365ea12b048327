import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Terminal } from '../../src/cli/terminal.ts';

/** What a command is to find around it. */
export interface FakeTerminalOptions {
  readonly env?: Terminal['env'];
  readonly signal?: AbortSignal;
  /** Makes standard output a terminal of this size. */
  readonly size?: { readonly columns: number; readonly rows: number };
}

/** A terminal whose output is kept; `close` ends it and gives what was written. */
export function fakeTerminal({ env = {}, signal, size }: FakeTerminalOptions = {}) {
  const stdout = Object.assign(new PassThrough({ highWaterMark: 1 << 20 }), size && { isTTY: true, ...size });
  const stderr = new PassThrough({ highWaterMark: 1 << 20 });
  const terminal: Terminal = {
    env,
    stdout,
    stderr,
    self: { executable: 'node', script: 'main.ts', options: [] },
    nodeVersion: '24.0.0',
    signal: signal ?? new AbortController().signal,
  };
  const close = async (): Promise<{ readonly stdout: string; readonly stderr: string }> => {
    stdout.end();
    stderr.end();
    return { stdout: await text(stdout), stderr: await text(stderr) };
  };
  return { terminal, close };
}
