import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';
import { killGroup } from './process-group.ts';

/** How a program ended, and what it printed. */
export interface ProgramResult {
  /** The program's process group, which bears its process id. */
  readonly group: number;
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it was killed, or null. */
  readonly killed: 'deadline' | 'too-much-output' | 'aborted' | null;
}

export interface ProgramLimits {
  readonly deadlineMs: number;
  /** Bytes of standard output; one more and the program is killed. */
  readonly maxOutputBytes: number;
  /** Replaces the whole environment where given. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program without a shell, in a process group of its own, and waits for its end. At the deadline, on too much output
 * and on abort the whole group gets SIGKILL; the answer then does not wait for it any longer, as a process that hangs in
 * the kernel cannot die. Processes that it leaves behind with our pipes open are waited for half a second, then killed.
 * @throws the error of `spawn` (`ENOENT`, `EACCES`, `EMFILE`, …) where the program cannot be started
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  limits: ProgramLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProgramResult> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(limits.env === undefined ? {} : { env: limits.env }),
  });
  // Without a process there may be no pipes either (EMFILE); `error` follows and says why.
  if (child.pid === undefined) throw (await once(child, 'error'))[0];
  const { pid: group, stdout: outPipe, stderr: errorPipe } = child;
  const ended = new AbortController();
  const end = waitForEnd(child, clock, ended.signal);
  end.catch(() => undefined);
  const kill = Promise.withResolvers<NonNullable<ProgramResult['killed']>>();
  const stdout = collect(outPipe, limits.maxOutputBytes, () => kill.resolve('too-much-output'));
  const stderr = collect(errorPipe, 64 * 1024, () => undefined);
  const abort = (): void => kill.resolve('aborted');
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true, signal: ended.signal });
  const deadline = clock.sleep(limits.deadlineMs, ended.signal).then(
    () => kill.resolve('deadline'),
    () => undefined,
  );
  let over = false;
  try {
    const outcome = await Promise.race([end, kill.promise]);
    const killed = typeof outcome === 'string' ? outcome : null;
    const exitCode = typeof outcome === 'string' ? null : outcome.exitCode;
    over = typeof outcome !== 'string' && outcome.closed;
    return { group, exitCode, stdout: stdout(), stderr: stderr(), killed };
  } finally {
    // Once the last of a group has gone, its number may be another's.
    if (!over) killGroup(group);
    child.unref();
    outPipe.destroy();
    errorPipe.destroy();
    ended.abort();
    await deadline;
  }
}

/** Gathers text up to a limit; what comes after is dropped and told once. */
function collect(stream: Readable, maxBytes: number, onOverflow: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    const room = maxBytes - size;
    size += chunk.length;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    if (size > maxBytes) onOverflow();
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Resolves when the program has ended and its pipes are closed, or half a second after its end. */
async function waitForEnd(
  child: ChildProcess,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ exitCode: number | null; closed: boolean }> {
  const exited = Promise.withResolvers<number | null>();
  const closing = Promise.withResolvers<boolean>();
  child.on('error', (error) => exited.reject(error));
  child.once('exit', (code) => exited.resolve(code));
  child.once('close', () => closing.resolve(true));
  const exitCode = await exited.promise;
  const tooLong = clock.sleep(500, signal).then(
    () => false,
    () => false,
  );
  return { exitCode, closed: await Promise.race([closing.promise, tooLong]) };
}
