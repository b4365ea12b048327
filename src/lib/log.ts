import { pino, type Logger } from 'pino';

/** The severities of `--log-level`, quiet to chatty. */
export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The program's structured logger; every line is one JSON object. */
export type Log = Logger;

/**
 * A logger that writes JSON lines synchronously to a file descriptor (2 by default: standard output belongs to a
 * command's result). Synchronous so that the last line before a crash is not lost, and no worker thread is needed.
 */
export function createLog(level: LogLevel, fileDescriptor: number = 2): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: fileDescriptor, sync: true }),
  );
}

/** A logger that drops everything, for callers that have none. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
