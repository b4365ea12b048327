import type { PickQuestion, Picks } from './preferred-picks.ts';
import { growPicks } from './preferred-start.ts';

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
  const { count, picks, degrees } = question;
  if (picks <= 0) return [];
  const { highestScore, lowestDegree } = boundsAfter(question);
  const levels = Array.from({ length: picks }, () => firstLevel(question));
  const chosen: number[] = [];
  const best = new Best(count > exactCount ? growPicks(question) : null);
  let steps = 0;

  const extend = (from: number, inside: number, degree: number): void => {
    const level = levels[chosen.length];
    const next = levels[chosen.length + 1];
    if (level === undefined) return;
    const left = picks - chosen.length;
    const pairs = (left * (left - 1)) / 2;
    for (let pick = from; pick <= count - left; pick += 1) {
      const reach = left * (level.highest[pick] ?? 0) + pairs * (highestScore[pick] ?? 0);
      if (!best.canBeBeatenBy(inside + reach, degree + left * (lowestDegree[pick] ?? 0))) return;
      const pickedInside = inside + (level.gains[pick] ?? 0);
      const pickedDegree = degree + (degrees[pick] ?? 0);
      if (next === undefined) {
        if (best.canBeBeatenBy(pickedInside, pickedDegree))
          best.take([...chosen, pick], pickedInside, pickedDegree);
        continue;
      }
      steps += 1;
      if (steps > maxSteps) return;
      fillLevel(next, level, pick, question);
      chosen.push(pick);
      extend(pick + 1, pickedInside, pickedDegree);
      chosen.pop();
    }
  };

  extend(0, 0, 0);
  return best.picks;
}

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

/** What each position adds to the picks made so far, and the most that it or one after it adds. */
interface Level {
  readonly gains: Float64Array;
  readonly highest: Float64Array;
}

function firstLevel({ count, gains }: PickQuestion): Level {
  const level: Level = { gains: Float64Array.from(gains), highest: new Float64Array(count) };
  let highest = 0;
  for (let position = count - 1; position >= 0; position -= 1) {
    highest = Math.max(highest, gains[position] ?? 0);
    level.highest[position] = highest;
  }
  return level;
}

/** The level after one more pick, for the positions behind it. */
function fillLevel(next: Level, level: Level, pick: number, { count, scores }: PickQuestion): void {
  let highest = 0;
  for (let position = count - 1; position > pick; position -= 1) {
    const gain = (level.gains[position] ?? 0) + (scores[pick * count + position] ?? 0);
    if (gain > highest) highest = gain;
    next.gains[position] = gain;
    next.highest[position] = highest;
  }
}

/** For each position the highest score of a pair, and the lowest degree, of it and those after it. */
function boundsAfter({ count, scores, degrees }: PickQuestion) {
  const highestScore = new Float64Array(count);
  const lowestDegree = new Float64Array(count);
  let highest = 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (let position = count - 1; position >= 0; position -= 1) {
    for (let other = position + 1; other < count; other += 1)
      highest = Math.max(highest, scores[position * count + other] ?? 0);
    lowest = Math.min(lowest, degrees[position] ?? 0);
    highestScore[position] = highest;
    lowestDegree[position] = lowest;
  }
  return { highestScore, lowestDegree };
}
