import { expect, it } from 'vitest';
import { lazy } from '../../src/lib/lazy.ts';

it.each([
  ['a value', {}],
  ['null', null],
  ['undefined', undefined],
])('makes %s at first use, and once', (_, value) => {
  let calls = 0;
  const read = lazy(() => {
    calls += 1;
    return value;
  });
  expect(calls).toBe(0);
  expect([read(), read()]).toEqual([value, value]);
  expect(read()).toBe(value);
  expect(calls).toBe(1);
});

it('is asked for again after it could not be made', () => {
  let calls = 0;
  const read = lazy(() => {
    calls += 1;
    if (calls === 1) throw new Error('not yet');
    return calls;
  });
  expect(read).toThrow('not yet');
  expect([read(), read()]).toEqual([2, 2]);
});
