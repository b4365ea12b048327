import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { describeError, isAbort, OperatorError, systemErrorCode, toError } from '../../src/lib/errors.ts';

test('an operator error carries its code, its cause and a name', () => {
  const cause = new Error('no such file');
  const error = new OperatorError('no-config', 'Cannot read the config /etc/slicewise.yaml', { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'OperatorError', code: 'no-config', cause });
  expect(String(error)).toBe('OperatorError: Cannot read the config /etc/slicewise.yaml');
});

test.each<[string, unknown, string]>([
  ['an error', new Error('broken'), 'broken'],
  ['a string', 'broken', 'broken'],
  ['nothing', undefined, 'undefined'],
  ['an object', { toString: () => 'broken' }, 'broken'],
])('whatever is thrown becomes an error: %s', (_title, thrown, message) => {
  const error = toError(thrown);
  expect(error).toBeInstanceOf(Error);
  expect(error.message).toBe(message);
});

test('an error stays the one it is', () => {
  const error = new TypeError('broken');
  expect(toError(error)).toBe(error);
});

test.each<[string, unknown, string]>([
  ['a message alone', new Error('cannot list'), 'cannot list'],
  ['a cause', new Error('cannot list', { cause: new Error('driver hangs') }), 'cannot list: driver hangs'],
  [
    'a cause that the message tells already',
    new Error('cannot list: driver hangs', { cause: new Error('driver hangs') }),
    'cannot list: driver hangs',
  ],
  ['a cause of a cause', new Error('a', { cause: new Error('b', { cause: new Error('c') }) }), 'a: b: c'],
  [
    'a cause behind one that adds nothing',
    new Error('a b', { cause: new Error('b', { cause: new Error('c') }) }),
    'a b: c',
  ],
  [
    'a cause that is no error',
    new Error('cannot list', { cause: 'driver hangs' }),
    'cannot list: driver hangs',
  ],
  ['no error at all', 'driver hangs', 'driver hangs'],
])('one line for a person: %s', (_title, thrown, line) => {
  expect(describeError(thrown)).toBe(line);
});

test('a chain of causes that bites its own tail comes to an end', () => {
  const error = new Error('a');
  error.cause = new Error('b', { cause: error });
  expect(describeError(error)).toBe('a: b');
});

test('an aborted wait is told from a failure', async () => {
  const aborted = await delay(1000, undefined, { signal: AbortSignal.abort() }).catch(
    (error: unknown) => error,
  );
  expect(isAbort(aborted)).toBe(true);
  expect(isAbort(new DOMException('The wait was aborted', 'AbortError'))).toBe(true);
  expect(isAbort(new Error('AbortError'))).toBe(false);
  expect(isAbort(new DOMException('Too late', 'TimeoutError'))).toBe(false);
  expect(isAbort('AbortError')).toBe(false);
});

test('the code of a system error is read from what Node throws', () => {
  let thrown: unknown;
  try {
    readFileSync('/nonexistent');
  } catch (error) {
    thrown = error;
  }
  expect(systemErrorCode(thrown)).toBe('ENOENT');
});

test.each<[string, unknown]>([
  ['a plain error', new Error('ENOENT')],
  ['a numeric code, as gRPC has', Object.assign(new Error('unavailable'), { code: 14 })],
  ['no error at all', { code: 'ENOENT' }],
])('no code is made up: %s', (_title, thrown) => {
  expect(systemErrorCode(thrown)).toBeUndefined();
});
