import type { z } from 'zod';
import { OperatorError } from '../../lib/errors.ts';

/** One thing that is wrong in a scenario. `path` is the key's, `text` says the value and what is allowed. */
export interface ScenarioProblem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** The error for a scenario that cannot be used: one line a problem, the key's path first. Code `bad-scenario`. */
export function scenarioError(source: string, problems: readonly ScenarioProblem[]): OperatorError {
  const shown = problems.slice(0, 20).map(({ path, text }) => `  ${formatPath(path)}: ${text}`);
  if (problems.length > shown.length) shown.push(`  … and ${problems.length - shown.length} more`);
  const count = problems.length === 1 ? 'one error' : `${problems.length} errors`;
  return new OperatorError('bad-scenario', `The scenario ${source} has ${count}:\n${shown.join('\n')}`);
}

/** The schema's complaints as problems, one for each key. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[]): ScenarioProblem[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, text: describeIssue(issue) }];
    const input: unknown = issue.input;
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      text: `${showValue(readKey(input, key))}: ${issue.message}`,
    }));
  });
}

/** A value as it is quoted in an error: JSON, cut at 60 characters. */
export function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const value =
    issue.code === 'invalid_union' && 'discriminator' in issue ? readKey(issue.input, 'do') : issue.input;
  const got = value === undefined ? 'is missing' : `${showValue(value)} is not allowed`;
  return `${got}; ${describeAllowed(issue)}`;
}

function describeAllowed(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith('allowed: ')) return issue.message;
  if (issue.code === 'invalid_value') return `allowed: ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'invalid_type') return `allowed: ${typeWords[issue.expected] ?? issue.expected}`;
  if (issue.code === 'too_small') return `allowed: at least ${issue.minimum}${unitOf(issue.origin)}`;
  if (issue.code === 'too_big') return `allowed: at most ${issue.maximum}${unitOf(issue.origin)}`;
  return issue.message;
}

const typeWords: Readonly<Record<string, string>> = {
  array: 'a list',
  int: 'a whole number',
  number: 'a number',
  object: 'a mapping of keys to values',
  string: 'a text',
};

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' entries' : '';
}

function readKey(input: unknown, key: string): unknown {
  return typeof input === 'object' && input !== null ? Reflect.get(input, key) : undefined;
}

function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(the whole)';
  return path
    .map((part, at) => {
      if (typeof part === 'number') return `[${part}]`;
      return at === 0 ? String(part) : `.${String(part)}`;
    })
    .join('');
}
