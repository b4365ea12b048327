import type { Random } from '../../../src/simulator/seeded-random.ts';

/** A whole number from 0 to count - 1. */
export function pick(random: Random, count: number): number {
  return Math.floor(random() * count);
}

/** One of the items; undefined when there is none. */
export function choose<T>(random: Random, items: readonly T[]): T | undefined {
  return items[pick(random, items.length)];
}
