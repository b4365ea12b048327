import { getEventListeners } from 'node:events';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Latest } from '../../src/lib/latest.ts';

/** Lets everything that is ready to run do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Reads values into a list until the signal aborts. */
function collect<T>(
  latest: Latest<T>,
  signal: AbortSignal,
): { readonly seen: T[]; readonly done: Promise<void> } {
  const seen: T[] = [];
  const done = (async () => {
    for await (const value of latest.values(signal)) seen.push(value);
  })();
  return { seen, done };
}

test('a reader gets the current value at once, then each change', async () => {
  const stop = new AbortController();
  const latest = new Latest('a');
  const { seen, done } = collect(latest, stop.signal);
  await settle();
  expect(seen).toEqual(['a']);
  latest.set('b');
  await settle();
  latest.set('c');
  await settle();
  expect(seen).toEqual(['a', 'b', 'c']);
  stop.abort();
  await done;
});

test('no reader eats another’s update', async () => {
  const stop = new AbortController();
  const latest = new Latest(0);
  const readers = Array.from({ length: 3 }, () => collect(latest, stop.signal));
  for (const value of [1, 2, 3]) {
    await settle();
    latest.set(value);
  }
  await settle();
  expect(readers.map(({ seen }) => seen)).toEqual([
    [0, 1, 2, 3],
    [0, 1, 2, 3],
    [0, 1, 2, 3],
  ]);
  stop.abort();
  await Promise.all(readers.map(({ done }) => done));
});

test('a slow reader misses intermediate values and sees the newest', async () => {
  const latest = new Latest(0);
  const reader = latest.values(new AbortController().signal);
  await reader.next();
  for (const value of [1, 2, 3]) latest.set(value);
  expect(await reader.next()).toEqual({ done: false, value: 3 });
  await reader.return();
});

test('a value set between two reads is not missed, though nobody waited', async () => {
  const latest = new Latest('a');
  const reader = latest.values(new AbortController().signal);
  await reader.next();
  latest.set('b');
  expect((await reader.next()).value).toBe('b');
  await reader.return();
});

test('a reader that sets a value while it reads sees it, too', async () => {
  const stop = new AbortController();
  const latest = new Latest(0);
  const seen: number[] = [];
  for await (const value of latest.values(stop.signal)) {
    seen.push(value);
    if (value < 3) latest.set(value + 1);
    else stop.abort();
  }
  expect(seen).toEqual([0, 1, 2, 3]);
});

test('setting an equal value wakes readers all the same: comparing is the publisher’s work', async () => {
  const latest = new Latest(1);
  const reader = latest.values(new AbortController().signal);
  await reader.next();
  const next = reader.next();
  latest.set(1);
  expect((await next).value).toBe(1);
  await reader.return();
});

test('aborting ends a waiting reader quietly', async () => {
  const stop = new AbortController();
  const { seen, done } = collect(new Latest('a'), stop.signal);
  await settle();
  stop.abort();
  await done;
  expect(seen).toEqual(['a']);
});

test('a signal that has aborted reads nothing', async () => {
  const { seen, done } = collect(new Latest('a'), AbortSignal.abort());
  await done;
  expect(seen).toEqual([]);
});

test('waiting leaves no listener on the signal behind', async () => {
  const stop = new AbortController();
  const latest = new Latest(0);
  const { done } = collect(latest, stop.signal);
  for (let value = 1; value <= 20; value += 1) {
    await settle();
    latest.set(value);
  }
  await settle();
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
  stop.abort();
  await done;
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
});

test('until resolves with the current value when it will do', async () => {
  const latest = new Latest(4);
  expect(await latest.until((value) => value > 3, new AbortController().signal)).toBe(4);
});

test('until waits for the first value that will do, and leaves no listener behind', async () => {
  const { signal } = new AbortController();
  const latest = new Latest(1);
  const found = latest.until((value) => value % 2 === 0, signal);
  await settle();
  latest.set(3);
  await settle();
  latest.set(6);
  expect(await found).toBe(6);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('until rejects with an AbortError when the wait is aborted', async () => {
  const stop = new AbortController();
  const found = new Latest(1).until(() => false, stop.signal);
  stop.abort();
  await expect(found).rejects.toMatchObject({ name: 'AbortError' });
});

test('whatever the order of writes and reads, a reader sees an ascending part that ends with the newest', async () => {
  const steps = fc.array(fc.constantFrom('set' as const, 'settle' as const), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(steps, async (order) => {
      const stop = new AbortController();
      const latest = new Latest(0);
      const { seen, done } = collect(latest, stop.signal);
      for (const step of order) {
        if (step === 'set') latest.set(latest.value + 1);
        else await settle();
      }
      await settle();
      stop.abort();
      await done;
      expect(seen.at(-1)).toBe(latest.value);
      expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    }),
    { numRuns: 50 },
  );
});
