import { spawn, type ChildProcess } from 'node:child_process';
import { toError } from '../../lib/errors.ts';
import type { HostFailure, HostMessage, HostNews, HostReply, HostRequest, HostStep } from './protocol.ts';

/** How the helper is started: this very program with another command. */
export interface HostCommand {
  readonly executable: string;
  readonly script: string;
  readonly options: readonly string[];
  /** Arguments of the `nvml-host` command. */
  readonly args: readonly string[];
  /** The helper's environment; this process's own when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A running helper. */
export interface HostProcess {
  readonly pid: number | undefined;
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<HostEnd>;
  /**
   * Sends one request and resolves with its answer; stays pending when the process ends or hangs. One request at a time.
   * @param onStep called before each step that the helper takes
   */
  ask(request: HostRequest, onStep: (step: HostStep) => void): Promise<HostAnswer>;
  /** Calls back with what the driver tells unasked, from now on. */
  listen(onNews: (news: HostNews) => void): void;
  kill(): void;
  /** Stops waiting for the process: this program may end before it. */
  release(): void;
}

export type HostAnswer =
  | { readonly kind: 'answer'; readonly reply: HostReply }
  | { readonly kind: 'failure'; readonly failure: HostFailure };

export interface HostEnd {
  readonly signal: string | null;
  readonly exitCode: number | null;
  /** Why the process could not be started. */
  readonly startError: Error | null;
}

/** Starts a helper; a failure to start shows as its end. Its standard error is this program's. */
export function startHostProcess(command: HostCommand): HostProcess {
  let child: ChildProcess;
  try {
    child = spawnHost(command);
  } catch (thrown) {
    return neverStarted(toError(thrown));
  }
  const ended = new Promise<HostEnd>((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal, startError: null }));
    child.on('error', (startError) => resolve({ exitCode: null, signal: null, startError }));
  });
  return {
    pid: child.pid,
    ended,
    ask: (request, onStep) =>
      new Promise((resolve) => {
        const listen = (message: unknown): void => {
          const said = message as HostMessage;
          if ('step' in said) return onStep(said.step);
          if ('news' in said || said.id !== request.id) return;
          child.off('message', listen);
          resolve(
            'failure' in said
              ? { kind: 'failure', failure: said.failure }
              : { kind: 'answer', reply: said.answer },
          );
        };
        child.on('message', listen);
        // A request that cannot be sent has no receiver: `ended` tells. Without a process there is no `send` at all.
        if (child.pid !== undefined) child.send(request, () => {});
      }),
    listen(onNews) {
      child.on('message', (message: unknown) => {
        const said = message as HostMessage;
        if ('news' in said) onNews(said.news);
      });
    },
    kill: () => void child.kill('SIGKILL'),
    release() {
      child.unref();
      child.channel?.unref();
    },
  };
}

function spawnHost({ executable, script, options, args, env }: HostCommand): ChildProcess {
  return spawn(executable, [...options, ...smallHeap, script, 'nvml-host', ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...(env === undefined ? {} : { env }),
  });
}

function neverStarted(startError: Error): HostProcess {
  return {
    pid: undefined,
    ended: Promise.resolve({ exitCode: null, signal: null, startError }),
    ask: () => new Promise(() => {}),
    listen: () => undefined,
    kill: () => undefined,
    release: () => undefined,
  };
}

/** A snapshot is garbage a moment later; a small young generation keeps 1.5 MB from being touched for it. */
const smallHeap = ['--max-semi-space-size=1'];
