/**
 * What the promise gives, unless the signal aborts first: then an `AbortError`, and the promise is left to itself. For waiting
 * on something that cannot be interrupted, such as a call that hangs.
 */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const scope = new AbortController();
  const aborted = untilAborted(AbortSignal.any([signal, scope.signal])).then(() => {
    throw new DOMException('The wait was aborted', 'AbortError');
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    scope.abort();
    await aborted.catch(() => undefined);
  }
}

/** Resolves when the signal aborts, at once when it already has. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Throws the error that an aborted wait throws, whatever the reason of the abort: `AbortSignal.throwIfAborted` would throw the
 * reason itself, which is a word here.
 */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new DOMException('The wait was aborted', 'AbortError');
}
