/** Some measured values of one kind, in the unit of the figure. */
export interface Summary {
  readonly runs: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
}

/** Minimum, median and 99th percentile (nearest rank) of at least one value. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { runs: sorted.length, min: rank(0), median: rank(0.5), p99: rank(0.99) };
}
