import { inspect } from 'node:util';

const maxLength = 80;

/**
 * Any value as one short line that is safe to print: quoted, bounded, and without control or direction-changing
 * characters. Cyclic values are fine.
 */
export function printable(value: unknown): string {
  const shown = typeof value === 'string' ? value.slice(0, maxLength + 1) : value;
  const text = inspect(shown, {
    depth: 3,
    maxArrayLength: 6,
    maxStringLength: maxLength,
    breakLength: Infinity,
    compact: true,
  });
  const safe = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escapeCharacter);
  return safe.length > maxLength + 2 ? `${safe.slice(0, maxLength)}…` : safe;
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
