import type { Writable } from 'node:stream';

/** What a command sees of the process it runs in. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command's result. */
  readonly stdout: OutputStream;
  /** Progress, warnings and the log. */
  readonly stderr: OutputStream;
  readonly self: SelfCommand;
  /** Of the Node that runs this, for example `24.21.0`. */
  readonly nodeVersion: string;
  /** Aborts on SIGINT, SIGTERM and SIGQUIT; its reason is the signal's name. */
  readonly signal: AbortSignal;
}

export type OutputStream = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** How this very program is started again, for the child processes that it keeps. */
export interface SelfCommand {
  readonly executable: string;
  readonly script: string;
  /** Options of the Node executable itself. */
  readonly options: readonly string[];
}

/** 0 good, 1 failed, 2 wrong use or config. */
export type ExitCode = 0 | 1 | 2;

/** A command's entry: its own arguments, without the command's name. */
export type RunCommand = (args: readonly string[], terminal: Terminal) => Promise<ExitCode>;
