/** A piece of TypeScript that is neither space nor comment. */
export interface Token {
  /** `name`: identifier or keyword; `string`: a quoted string, `text` is its content; `mark`: any other character. */
  readonly kind: 'name' | 'string' | 'template' | 'regex' | 'number' | 'mark';
  readonly text: string;
  /** Lines of the first and last character, from 1. */
  readonly line: number;
  readonly lastLine: number;
}

/** Pieces that never change what the next piece means, in the order in which they are tried. */
const patterns: readonly (readonly [Token['kind'] | 'space', RegExp])[] = [
  ['space', /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|^#![^\n]*/y],
  ['name', /[#\p{ID_Start}$_][\p{ID_Continue}$]*/uy],
  ['string', /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y],
  ['number', /\d[\w.]*/y],
];
const regexLiteral = /\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

/** After these words a slash begins a regular expression, after any other name it divides. */
const wordsBeforeRegex = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'await',
  'yield',
  'void',
  'throw',
  'else',
  'do',
]);

/**
 * Splits TypeScript into tokens, well enough to find imports and names: strings, templates, regular expressions and
 * comments are told apart, so that what is only written about is not taken for code. The expressions inside a template
 * are tokens, too.
 * @throws Error on what it cannot read, with the line
 */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open brace: true when it was opened by `${`, so that its end goes on with a template. */
  const braces: boolean[] = [];
  let position = 0;
  let line = 1;

  function take(kind: Token['kind'] | 'space', length: number, text?: string): void {
    const raw = source.slice(position, position + length);
    const firstLine = line;
    line += raw.split('\n').length - 1;
    position += length;
    if (kind !== 'space') tokens.push({ kind, text: text ?? raw, line: firstLine, lastLine: line });
  }

  function matchLength(pattern: RegExp): number {
    pattern.lastIndex = position;
    return pattern.exec(source)?.[0].length ?? 0;
  }

  /** Takes template text from a backtick or closing brace to the next `${` or the end of the template. */
  function takeTemplate(): void {
    let end = position + 1;
    while (end < source.length && source[end] !== '`' && !source.startsWith('${', end))
      end += source[end] === '\\' ? 2 : 1;
    if (end >= source.length) throw new Error(`line ${line}: a template does not end`);
    const opens = source[end] === '$';
    take('template', end + (opens ? 2 : 1) - position);
    if (opens) braces.push(true);
  }

  function takePlain(): boolean {
    for (const [kind, pattern] of patterns) {
      const length = matchLength(pattern);
      if (length === 0) continue;
      take(kind, length, kind === 'string' ? source.slice(position + 1, position + length - 1) : undefined);
      return true;
    }
    return false;
  }

  while (position < source.length) {
    if (takePlain()) continue;
    const character = source[position];
    if (character === '`') takeTemplate();
    else if (character === '}' && braces.pop() === true) takeTemplate();
    else if (character === '/' && beginsRegex(tokens.at(-1))) {
      const length = matchLength(regexLiteral);
      if (length === 0) throw new Error(`line ${line}: cannot read what begins with a slash`);
      take('regex', length);
    } else if (character === "'" || character === '"') throw new Error(`line ${line}: a string does not end`);
    else {
      if (character === '{') braces.push(false);
      take('mark', 1);
    }
  }
  return tokens;
}

function beginsRegex(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === 'name') return wordsBeforeRegex.has(before.text);
  return before.kind === 'mark' && before.text !== ')' && before.text !== ']' && before.text !== '}';
}
