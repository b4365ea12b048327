/**
 * An error that a person is meant to read: the message says what was tried, on what, and what to do.
 * `code` is a stable word for programs (metrics labels, exit codes), never shown alone.
 */
export class OperatorError extends Error {
  override readonly name: string = 'OperatorError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The thrown value as an `Error`, whatever was thrown. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** One line for a person: the message and, after it, the messages of its causes that add something. */
export function describeError(thrown: unknown): string {
  const error = toError(thrown);
  const parts = [error.message];
  let cause = error.cause;
  for (let depth = 0; cause !== undefined && depth < 4; depth += 1) {
    const { message } = toError(cause);
    if (!parts.some((part) => part.includes(message))) parts.push(message);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return parts.join(': ');
}

/** True for the error that an aborted wait throws; such errors end a task quietly. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

/** The `code` of a Node system error (`ENOENT`, `EADDRINUSE`, …), or undefined. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
