/** Bounds of a growing pause between tries, in milliseconds. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * The pause before try number `failures` + 1: doubles from `firstMs` up to `maxMs`, with full jitter over its upper
 * half so that a thousand nodes do not knock at once.
 * @param failures failed tries in a row, at least 1
 * @param random a number in [0, 1)
 */
export function backoffMs(limits: BackoffLimits, failures: number, random: number = Math.random()): number {
  const ceiling = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(failures - 1, 30));
  return ceiling / 2 + (ceiling / 2) * random;
}
