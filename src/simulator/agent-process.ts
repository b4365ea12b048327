import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** One line of an agent's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** How a Slicewise program is started: `executable options script`, then the command. */
export interface SelfProgram {
  readonly executable: string;
  readonly options: readonly string[];
  readonly script: string;
}

export interface AgentExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A real agent, running as a process of its own. Disposing kills it and waits for its end. */
export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it has logged so far; lines that are no JSON appear with the level `text`. The oldest are dropped in the end. */
  readonly log: readonly LogLine[];
  readonly exit: Promise<AgentExit>;
  /** The first log line, past or future, that the test accepts. Rejects when the agent ends without one, or at the deadline. */
  waitForLog(accepts: (line: LogLine) => boolean, deadlineMs?: number): Promise<LogLine>;
  signal(name: NodeJS.Signals): void;
}

const keepLines = 10_000;

/**
 * Starts `<executable> <options> <script> agent <args>`, for example this very program again.
 */
export function startAgent(
  program: SelfProgram,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): AgentProcess {
  const child = spawn(program.executable, [...program.options, program.script, 'agent', ...args], {
    env: { ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log: LogLine[] = [];
  const readers = new Set<(line: LogLine | null) => void>();
  createInterface({ input: child.stderr }).on('line', (text) => {
    const line = parseLine(text);
    log.push(line);
    if (log.length > keepLines) log.shift();
    for (const reader of readers) reader(line);
  });
  const exit = once(child, 'close').then(([code, signal]) => {
    for (const reader of readers) reader(null);
    return { code, signal };
  });

  return {
    get pid() {
      return child.pid ?? 0;
    },
    log,
    exit,
    signal: (name) => void child.kill(name),
    async waitForLog(accepts, deadlineMs = 20_000) {
      const past = log.find(accepts);
      if (past !== undefined) return past;
      const found = Promise.withResolvers<LogLine>();
      const fail = (why: string): void => found.reject(new Error(`${why}; its log ends with:\n${tail(log)}`));
      const reader = (line: LogLine | null): void => {
        if (line === null) fail('The agent has ended');
        else if (accepts(line)) found.resolve(line);
      };
      readers.add(reader);
      const timer = setTimeout(() => fail(`The agent did not log it within ${deadlineMs} ms`), deadlineMs);
      if (child.exitCode !== null || child.signalCode !== null) fail('The agent has ended');
      try {
        return await found.promise;
      } finally {
        clearTimeout(timer);
        readers.delete(reader);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

function parseLine(text: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'msg' in parsed) return parsed as LogLine;
  } catch {
    // A line of another kind, for example a crash report of the runtime.
  }
  return { level: 'text', msg: text };
}

function tail(log: readonly LogLine[]): string {
  return log
    .slice(-15)
    .map((line) => `  ${JSON.stringify(line)}`)
    .join('\n');
}
