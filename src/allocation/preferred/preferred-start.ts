import type { PickQuestion, Picks } from './preferred-picks.ts';

/** How many sets are grown: each from another first member. */
const maxSeeds = 64;

/**
 * Good picks at a small price, to begin a long search with: sets that are grown one member at a time, always by the one that is
 * joined best to those inside, and the best of them.
 */
export function growPicks(question: PickQuestion): Picks {
  const seeds = Math.min(question.count, maxSeeds);
  let best = growFrom(0, question);
  for (let seed = 1; seed < seeds; seed += 1) {
    const grown = growFrom(seed, question);
    if (grown.inside > best.inside || (grown.inside === best.inside && grown.degree < best.degree))
      best = grown;
  }
  return best;
}

function growFrom(seed: number, { count, picks, scores, gains, degrees }: PickQuestion): Picks {
  const open = new Set(Array.from({ length: count }, (_, pick) => pick));
  const reach = Float64Array.from(gains);
  const grown: number[] = [];
  let inside = 0;
  let degree = 0;
  for (let pick = seed; ; pick = bestOf(open, reach, degrees)) {
    open.delete(pick);
    grown.push(pick);
    inside += reach[pick] ?? 0;
    degree += degrees[pick] ?? 0;
    if (grown.length >= picks) return { picks: grown.toSorted((a, b) => a - b), inside, degree };
    for (const other of open) reach[other] = (reach[other] ?? 0) + (scores[pick * count + other] ?? 0);
  }
}

/** The highest reach, then the lowest degree, then the lowest position. */
function bestOf(open: ReadonlySet<number>, reach: Float64Array, degrees: Float64Array): number {
  let best = -1;
  for (const pick of open) {
    const more = (reach[pick] ?? 0) - (reach[best] ?? Number.NEGATIVE_INFINITY);
    if (more > 0 || (more === 0 && (degrees[pick] ?? 0) < (degrees[best] ?? 0))) best = pick;
  }
  return best;
}
