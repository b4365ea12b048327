import * as z from 'zod';
import { lazy } from '../lib/lazy.ts';
import { formatDuration, parseDurationMs } from './duration.ts';
import { formatHttpAddress, parseHttpAddress, type HttpAddress } from './http-address.ts';

/** How the value of a setting is written on the command line, in the environment and in the file. */
export interface ValueKind<T> {
  /** From the file's form to the value; made when first asked for, as most are never needed in a run. */
  schema(): z.ZodType<T>;
  /** What is allowed, for a person: `none, single, mixed`. */
  readonly expected: string;
  /** `switch`: the flag may stand alone; `list`: comma lists, and the flag may be repeated. */
  readonly shape: 'switch' | 'single' | 'list';
  /** Every member of a closed set; empty for other values. */
  readonly words: readonly string[];
  /** From a flag's or variable's text (`list`: its parts) to the file's form; what it cannot read it returns as it is. */
  fromText(text: string, parts: readonly string[]): unknown;
  /** From the value back to the file's form. */
  toFile(value: T): unknown;
}

/** `true` or `false`; as text also what Go's strconv.ParseBool takes. */
export function boolean(): ValueKind<boolean> {
  return {
    ...single(() => z.boolean({ error: 'true, false' }), 'true, false'),
    shape: 'switch',
    fromText: (text) => booleanWords.get(text) ?? text,
  };
}

const booleanWords: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const),
]);

/** One word of a closed set. */
export function oneOf<const T extends string>(values: readonly T[]): ValueKind<T> {
  const expected = values.join(', ');
  return { ...single(() => z.enum(values, { error: expected }), expected), words: values };
}

/** One word of a closed set or a list of them; the value is always a list, without repetitions. */
export function listOf<const T extends string>(values: readonly T[]): ValueKind<readonly T[]> {
  const expected = `one or more of ${values.join(', ')}`;
  const schema = (): z.ZodType<readonly T[]> => {
    const word = z.enum(values);
    return z
      .union([word, z.array(word).min(1)], { error: expected })
      .transform((given): readonly T[] => [...new Set(typeof given === 'string' ? [given] : given)]);
  };
  const kind = single<readonly T[]>(schema, expected);
  return { ...kind, words: values, shape: 'list', fromText: (_text, parts) => [...parts] };
}

/** A list of whole numbers that the given schema narrows down. */
export function integerList<T extends number>(
  schema: () => z.ZodType<readonly T[]>,
  expected: string,
): ValueKind<readonly T[]> {
  return {
    ...single(schema, expected),
    shape: 'list',
    fromText: (_text, parts) => parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part)),
  };
}

/** A path on this machine or in this container. */
export function path(): ValueKind<string> {
  return single(pathSchema('a path', /^[^\0]+$/), 'a path');
}

/** A path or nothing; `null` is "not given". */
export function optionalPath(): ValueKind<string | null> {
  return single<string | null>(pathSchema('a path', /^[^\0]+$/), 'a path');
}

/** A path that starts with `/`. */
export function absolutePath(): ValueKind<string> {
  return single(pathSchema('an absolute path', /^\/[^\0]*$/), 'an absolute path');
}

/** A path that starts with `/`, or the empty text. */
export function absolutePathOrEmpty(): ValueKind<string> {
  return single(pathSchema('an absolute path or nothing', /^(\/[^\0]*)?$/), 'an absolute path or nothing');
}

/** Any text that is not empty, or `null` for "not given". */
export function optionalText(expected: string): ValueKind<string | null> {
  return single<string | null>(pathSchema(expected, /^[^\0]+$/), expected);
}

/** Text that a pattern describes. */
export function text(expected: string, pattern: RegExp): ValueKind<string> {
  return single(pathSchema(expected, pattern), expected);
}

/** A duration in milliseconds, between both bounds. */
export function duration(minMs: number, maxMs: number): ValueKind<number> {
  const bounds =
    maxMs === Infinity
      ? `of ${formatDuration(minMs)} or more`
      : `${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  const expected = `a duration ${bounds}, for example 10s or 1m30s`;
  const schema = () =>
    z.string({ error: expected }).transform((given, context) => {
      const ms = parseDurationMs(given);
      if (ms !== null && ms >= minMs && ms <= maxMs) return ms;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    });
  return { ...single(schema, expected), toFile: formatDuration };
}

/** A duration in milliseconds or `infinite`. */
export function durationOrInfinite(): ValueKind<number> {
  const finite = duration(1, Infinity);
  const expected = 'a duration above zero, for example 60s, or infinite';
  const schema = () =>
    z.union([z.literal('infinite').transform(() => Infinity), finite.schema()], { error: expected });
  return { ...single(schema, expected), toFile: (ms) => (ms === Infinity ? 'infinite' : formatDuration(ms)) };
}

/** Where an HTTP server listens; `null` for `off`. */
export function httpAddress(): ValueKind<HttpAddress | null> {
  const expected = 'off, :port, host:port, [IPv6 address]:port';
  // YAML 1.1, which Helm reads and writes, takes the word off for false.
  const schema = () =>
    z.union([z.string(), z.literal(false)], { error: expected }).transform((given, context) => {
      if (given === false || given === 'off') return null;
      const address = parseHttpAddress(given);
      if (address !== null) return address;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    });
  return {
    ...single(schema, expected),
    toFile: (value) => (value === null ? 'off' : formatHttpAddress(value)),
  };
}

/** A value that its schema describes; the file's form is the value itself. */
export function structure<T>(schema: () => z.ZodType<T>, expected: string): ValueKind<T> {
  return single(schema, expected);
}

/** The same, or `null` for "not given". */
export function optionalStructure<T>(
  schema: () => z.ZodType<T>,
  expected: string,
  toFile: (value: T) => unknown = (value) => value,
): ValueKind<T | null> {
  const kind = structure<T | null>(schema, expected);
  return { ...kind, toFile: (value) => (value === null ? null : toFile(value)) };
}

function single<T>(make: () => z.ZodType<T>, expected: string): ValueKind<T> {
  return {
    schema: lazy(make),
    expected,
    shape: 'single',
    words: [],
    fromText: (given) => given,
    toFile: (value) => value,
  };
}

function pathSchema(expected: string, pattern: RegExp): () => z.ZodType<string> {
  return () => z.string({ error: expected }).regex(pattern, { error: expected });
}
