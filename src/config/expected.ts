import type * as z from 'zod';

/** What is allowed, in words, for a schema that does not say it itself. */
export function expectedText(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type') return typeNames[issue.expected] ?? issue.expected;
  if (issue.code === 'invalid_value') return issue.values.map(String).join(', ');
  if (issue.code === 'too_small') {
    const counted = issue.origin === 'array' || issue.origin === 'string';
    return counted ? 'at least one' : `${issue.minimum} or more`;
  }
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  return issue.message ?? 'another value';
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true, false',
  array: 'a list',
  object: 'a map of keys and values',
};
