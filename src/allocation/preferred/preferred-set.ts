import { searchPicks } from './preferred-search.ts';

/** Which set is sought. Candidates are named by their positions 0, 1, 2 …, in order of GPU index. */
export interface SetQuestion {
  readonly candidates: number;
  /** Row by row, `candidates` × `candidates`; the same both ways, 0 on the diagonal. */
  readonly scores: Int32Array;
  /** Positions that the set has to hold, ascending. */
  readonly required: readonly number[];
  /** No less than the required positions, no more than the candidates. */
  readonly size: number;
}

/**
 * The set whose members are joined best: the highest sum of scores over its pairs. Of equal ones it is the set that leaves the
 * candidates outside joined best, by the same sum over their pairs; of those, the one of the lowest positions. Exact for up to
 * sixteen candidates that are not required.
 * @returns positions, ascending
 */
export function findBestSet(question: SetQuestion): readonly number[] {
  const { candidates, scores, required, size } = question;
  const taken = new Set(required);
  const all = Array.from({ length: candidates }, (_, position) => position);
  const free = all.filter((position) => !taken.has(position));
  const score = (a: number, b: number): number => scores[a * candidates + b] ?? 0;
  const sumWith = (position: number, others: readonly number[]): number =>
    others.reduce((sum, other) => sum + score(position, other), 0);
  const picks = searchPicks({
    count: free.length,
    picks: size - required.length,
    scores: Int32Array.from(free.flatMap((position) => free.map((other) => score(position, other)))),
    gains: Float64Array.from(free, (position) => sumWith(position, required)),
    degrees: Float64Array.from(free, (position) => sumWith(position, all)),
  });
  return [...required, ...picks.map((pick) => free[pick] ?? 0)].toSorted((a, b) => a - b);
}
