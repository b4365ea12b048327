import { printable } from './printable.ts';

/** Where a value was given. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'flag'; readonly name: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string; readonly line: number; readonly column: number };

/**
 * `invalid`: not a value that the key can have; `not-yet`: one that this version does not do; `unknown-key`,
 * `duplicate-key`: about the key itself; `conflict`: not together with another value; `unreadable`: no YAML.
 */
export type ProblemKind = 'invalid' | 'not-yet' | 'unknown-key' | 'duplicate-key' | 'conflict' | 'unreadable';

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  readonly kind: ProblemKind;
  readonly origin: Origin;
  /** `flag --mig-strategy`, `env MIG_STRATEGY` or `path:line:column`. */
  readonly source: string;
  /** Path of the key in the file; empty when the problem is the whole file's. */
  readonly keyPath: string;
  /** The value as it was given, bounded and printable; `null` where there is none or it is not the point. */
  readonly value: string | null;
  /** What is allowed or what to do instead. */
  readonly expected: string;
}

/** A problem, made from the value as it was given; `value` is left out where it is not the point. */
export function problem(
  kind: ProblemKind,
  origin: Origin,
  keyPath: string,
  expected: string,
  value?: { readonly given: unknown } | null,
): ConfigProblem {
  const shown = value === undefined || value === null ? null : printable(value.given);
  return { kind, origin, source: describeOrigin(origin), keyPath, value: shown, expected };
}

/** The origin as a person names it. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'flag':
      return `flag --${origin.name}`;
    case 'env':
      return `env ${origin.name}`;
    case 'file':
      return `${origin.path}:${origin.line}:${origin.column}`;
  }
}

/** All problems as lines for a person, in the order given. */
export function renderProblems(problems: readonly ConfigProblem[]): string[] {
  return problems.map(
    (each) => `${each.source}: ${each.keyPath === '' ? '' : `${each.keyPath}: `}${text(each)}`,
  );
}

function text({ kind, origin, value, expected }: ConfigProblem): string {
  switch (kind) {
    case 'invalid':
      return value === null
        ? `missing; needed: ${expected}`
        : `${value} is not allowed; allowed: ${expected}`;
    case 'not-yet':
      return value === null
        ? `not in this version yet; ${expected}`
        : `${value} is not in this version yet; allowed now: ${expected}`;
    case 'unknown-key':
      return `there is no such ${keyNames[origin.kind]}; ${expected}`;
    case 'duplicate-key':
    case 'conflict':
    case 'unreadable':
      return expected;
  }
}

const keyNames: Readonly<Record<Origin['kind'], string>> = {
  flag: 'flag',
  env: 'variable',
  file: 'key',
  default: 'key',
};
