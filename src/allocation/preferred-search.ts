import type { PickQuestion } from './preferred-set.ts';
import { growPicks, type Picks } from './preferred-start.ts';

/** Up to this many free candidates the answer is the best there is. */
const exactCount = 16;

/** More than a search among `exactCount` can take: it begins no picks twice. One among more ends here, with the best it has met. */
const maxSteps = 2 ** exactCount;

/**
 * The best picks, ascending: highest sum of gains and of scores between the picks, then lowest sum of degrees, then lowest
 * positions. Picks are met in order of their positions and left out as soon as they cannot be better than the best ones met. Work is
 * counted, not timed, so the same question always has the same answer.
 */
export function searchPicks(question: PickQuestion): readonly number[] {
  const { count, picks, scores, gains, degrees } = question;
  if (picks <= 0) return [];
  const bestReach = reachAfter(question);
  const gainsAt = Array.from({ length: picks }, () => Float64Array.from(gains));
  const chosen: number[] = [];
  const best = new Best(count > exactCount ? growPicks(question) : null);
  let steps = 0;

  const finish = (from: number, sum: Sum): void => {
    const now = gainsAt[picks - 1] ?? gains;
    for (let pick = from; pick < count; pick += 1) {
      const inside = sum.inside + (now[pick] ?? 0);
      const degree = sum.degree + (degrees[pick] ?? 0);
      if (best.canBeBeatenBy(inside, degree)) best.take([...chosen, pick], inside, degree);
    }
  };

  const extend = (from: number, sum: Sum): void => {
    const left = picks - chosen.length;
    if (left === 1) {
      finish(from, sum);
      return;
    }
    const now = gainsAt[picks - left] ?? gains;
    const next = gainsAt[picks - left + 1] ?? gains;
    for (let pick = from; pick <= count - left; pick += 1) {
      const reach = bestReach(pick, left, now);
      if (!best.canBeBeatenBy(sum.inside + reach.inside, sum.degree + reach.degree)) return;
      if (++steps > maxSteps) return;
      for (let other = pick + 1; other < count; other += 1)
        next[other] = (now[other] ?? 0) + (scores[pick * count + other] ?? 0);
      chosen.push(pick);
      extend(pick + 1, {
        inside: sum.inside + (now[pick] ?? 0),
        degree: sum.degree + (degrees[pick] ?? 0),
      });
      chosen.pop();
    }
  };

  extend(0, { inside: 0, degree: 0 });
  return best.picks;
}

type Sum = Pick<Picks, 'inside' | 'degree'>;

/** The best picks so far. Those that a search was begun with give way to equal ones, which are met in order of position. */
class Best {
  #best: Picks | null;
  #met = false;

  constructor(start: Picks | null) {
    this.#best = start;
  }

  get picks(): readonly number[] {
    return this.#best?.picks ?? [];
  }

  canBeBeatenBy(inside: number, degree: number): boolean {
    if (this.#best === null) return true;
    if (inside !== this.#best.inside) return inside > this.#best.inside;
    return this.#met ? degree < this.#best.degree : degree <= this.#best.degree;
  }

  take(picks: readonly number[], inside: number, degree: number): void {
    this.#best = { picks, inside, degree };
    this.#met = true;
  }
}

/** What `left` more picks from a position on can add at the very best: the highest gain for each, the highest score for each pair. */
function reachAfter({ count, scores, degrees }: PickQuestion) {
  const score = new Float64Array(count);
  const degree = new Float64Array(count);
  let highest = 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (let pick = count - 1; pick >= 0; pick -= 1) {
    for (let other = pick + 1; other < count; other += 1)
      highest = Math.max(highest, scores[pick * count + other] ?? 0);
    lowest = Math.min(lowest, degrees[pick] ?? 0);
    score[pick] = highest;
    degree[pick] = lowest;
  }
  return (from: number, left: number, gains: Float64Array): Sum => {
    let gain = 0;
    for (let pick = from; pick < count; pick += 1) gain = Math.max(gain, gains[pick] ?? 0);
    const pairs = (left * (left - 1)) / 2;
    return { inside: left * gain + pairs * (score[from] ?? 0), degree: left * (degree[from] ?? 0) };
  };
}
