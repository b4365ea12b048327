import { expect, it } from 'vitest';
import { msToStep } from '../../src/lib/in-step.ts';

it.each([
  [0, 1000, 1000],
  [1, 1000, 999],
  [999, 1000, 1],
  [999.5, 1000, 1000],
  [1000, 1000, 1000],
  [4300.2, 3000, 1699],
])('at %f ms the next step of %i is %i ms away', (nowMs, everyMs, expected) => {
  expect(msToStep({ now: () => nowMs }, everyMs)).toBe(expected);
});
