import { describe, expect, test } from 'vitest';
import { LeftAlone } from '../../../src/inventory/nvml/left-alone.ts';

const minute = 60_000;

describe('GPUs that are left alone', () => {
  test('after one hang, for five minutes, then twice as long each time, an hour at most', () => {
    const alone = new LeftAlone();
    const pauses: (number | null)[] = [];
    let now = 0;
    for (let turn = 0; turn < 6; turn += 1) {
      const pause = alone.blame(3, 'hang', 'it hung', now) ?? 0;
      expect(alone.at(now + pause - 1)).toEqual({ 3: 'it hung' });
      expect(alone.at(now + pause)).toEqual({});
      pauses.push(pause / minute);
      now += pause;
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);
  });

  test('after the second crash in a row, not the first', () => {
    const alone = new LeftAlone();
    expect(alone.blame(1, 'crash', 'it crashed', 0)).toBeNull();
    expect(alone.at(0)).toEqual({});
    expect(alone.blame(1, 'crash', 'it crashed', 0)).toBe(5 * minute);
    expect(alone.at(0)).toEqual({ 1: 'it crashed' });
  });

  test('crashes in different GPUs blame neither, and forget no GPU that hung', () => {
    const alone = new LeftAlone();
    alone.blame(7, 'hang', 'it hung', 0);
    for (const gpu of [1, 2, 1, 2]) expect(alone.blame(gpu, 'crash', 'it crashed', 0)).toBeNull();
    expect(alone.at(0)).toEqual({ 7: 'it hung' });
  });

  test('a good reading forgives what it touched, and only that', () => {
    const alone = new LeftAlone();
    alone.blame(1, 'hang', 'it hung', 0);
    alone.blame(2, 'crash', 'it crashed', 0);
    alone.forgive(alone.at(0));
    expect(alone.at(0)).toEqual({ 1: 'it hung' });
    expect(alone.blame(2, 'crash', 'it crashed', 0)).toBeNull();
    alone.forgive({});
    expect(alone.blame(1, 'hang', 'it hung', 0)).toBe(5 * minute);
  });
});
