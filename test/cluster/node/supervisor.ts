import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Programs } from '../build/build-programs.ts';

/** How a command ended. `code` is `128 + n` when signal n ended it. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the supervisor says when the namespaces are made. */
export interface Held {
  /** On 127.0.0.1, leads to the API server. */
  readonly port: number;
  /** Name of the node's cgroup in every hierarchy. */
  readonly cgroup: string;
  /** Ends with the supervisor; `null` when it goes on by itself. */
  readonly process: ChildProcess | null;
}

/** Starts and stops programs in a node's namespaces. */
export class Supervisor {
  readonly state: string;
  readonly #programs: Programs;

  constructor(programs: Programs, state: string) {
    this.#programs = programs;
    this.state = state;
  }

  /** Environment of everything on the node: a search path, and nothing of the tester's. */
  get environment(): Readonly<Record<string, string>> {
    return { PATH: `${this.#programs.searchPath}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: '/' };
  }

  /**
   * Makes the namespaces.
   * @param life `tied`: they end with this process, however it ends; `detached`: they stay until `down`
   */
  async hold(life: 'tied' | 'detached'): Promise<Held> {
    const tied = life === 'tied';
    const child = spawn(this.#program, ['hold', this.state, ...(tied ? ['tied'] : [])], {
      stdio: [tied ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
      env: this.environment,
    });
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('The supervisor has no streams');
    let complaint = '';
    stderr.setEncoding('utf8').on('data', (said: string) => (complaint += said));
    const line = await Promise.race([once(child, 'close').then(() => null), firstLine(stdout)]);
    if (line === null) throw new Error(`The node's namespaces could not be made: ${complaint}`);
    const { port, cgroup } = JSON.parse(line) as Held;
    child.unref();
    if (tied) return { port, cgroup, process: child };
    stdout.destroy();
    stderr.destroy();
    return { port, cgroup, process: null };
  }

  /** Ends the node and removes its folder. */
  async down(): Promise<void> {
    await this.#call(['down', this.state]);
  }

  /** Starts a program that goes on by itself; without arguments the way it was started last. Its log is `log/NAME.log`. */
  async start(name: string, command: readonly string[] = []): Promise<void> {
    await this.#call(['start', this.state, name, ...command]);
  }

  /** Ends a program and waits for its end. */
  async stop(name: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#call(['stop', this.state, name, String(constants.signals[signal])]);
  }

  /** Names of the programs that run. */
  async list(): Promise<readonly string[]> {
    const { stdout } = await this.#call(['list', this.state]);
    return stdout.split('\n').filter((name) => name !== '');
  }

  /** The command line that runs a program in the namespaces, with the caller's own streams and signals. */
  inside(command: readonly string[]): readonly [string, ...string[]] {
    return [this.#program, 'run', this.state, ...command];
  }

  /** Runs a command in the namespaces to its end. */
  async run(command: readonly string[]): Promise<Ended> {
    const [program, ...args] = this.inside(command);
    return execute(program, args, this.environment);
  }

  get #program(): string {
    return this.#programs.path('supervisor');
  }

  async #call(args: readonly string[]): Promise<Ended> {
    const ended = await execute(this.#program, args, this.environment);
    if (ended.code !== 0) throw new Error(ended.stderr.trim());
    return ended;
  }
}

/** Runs a program to its end, whatever its exit code. */
export async function execute(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, [...args], { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const signal = error?.signal;
      const code = signal === undefined || signal === null ? error?.code : 128 + constants.signals[signal];
      resolve({ code: error === null ? 0 : typeof code === 'number' ? code : 1, stdout, stderr });
    });
  });
}

async function firstLine(output: Readable): Promise<string> {
  const [line] = (await once(createInterface({ input: output }), 'line')) as [string];
  return line;
}
