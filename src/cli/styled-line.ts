import { styleText } from 'node:util';
import type { OutputStream } from './terminal.ts';

type Style = Parameters<typeof styleText>[0];

/** A line of text, of which all or the end is to stand out on a terminal. */
export interface StyledLine {
  readonly text: string;
  readonly style: Style | null;
  /** The column that the style begins at; 0 when left out. */
  readonly from?: number;
}

/** A line without a style. */
export function plain(text: string): StyledLine {
  return { text, style: null };
}

/**
 * Lines as they are written to a stream: with colours on a terminal alone, without control characters, and cut to the columns where
 * lines may not run over.
 */
export function paintLines(
  lines: readonly StyledLine[],
  stream: OutputStream,
  columns: number = Number.POSITIVE_INFINITY,
): string {
  return lines.map((line) => `${paint(line, stream, columns)}\n`).join('');
}

function paint({ text, style, from = 0 }: StyledLine, stream: OutputStream, columns: number): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
  const shown = clean.length > columns ? `${clean.slice(0, Math.max(0, columns - 1))}…` : clean;
  const end = shown.slice(from);
  if (style === null || end === '') return shown;
  return `${shown.slice(0, from)}${styleText(style, end, { stream })}`;
}
