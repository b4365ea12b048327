import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';

/** How a program ended, and what it printed. */
export interface ProgramResult {
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
 * Runs a program without a shell and waits for its end. At the deadline, on too much output and on abort it gets SIGKILL;
 * the answer then does not wait for it any longer, as a process that hangs in the kernel cannot die. Processes that it
 * leaves behind with our pipes open are waited for half a second.
 * @throws the error of `spawn` (`ENOENT`, `EACCES`, …) where the program cannot be started
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
    ...(limits.env === undefined ? {} : { env: limits.env }),
  });
  const { stdout: outPipe, stderr: errorPipe } = child;
  const ended = new AbortController();
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
  const end = waitForEnd(child, clock, ended.signal);
  end.catch(() => undefined);
  try {
    const outcome = await Promise.race([end, kill.promise]);
    const killed = typeof outcome === 'string' ? outcome : null;
    const exitCode = typeof outcome === 'string' ? null : outcome.exitCode;
    return { exitCode, stdout: stdout(), stderr: stderr(), killed };
  } finally {
    child.kill('SIGKILL');
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
): Promise<{ exitCode: number | null }> {
  const exited = Promise.withResolvers<number | null>();
  const closed = Promise.withResolvers<void>();
  child.on('error', (error) => exited.reject(error));
  child.once('exit', (code) => exited.resolve(code));
  child.once('close', () => closed.resolve());
  const exitCode = await exited.promise;
  await Promise.race([closed.promise, clock.sleep(500, signal).catch(() => undefined)]);
  return { exitCode };
}
