import type { Token } from './tokens.ts';

/** One place where a file names another module. */
export interface Import {
  readonly form: 'import' | 're-export' | 'dynamic';
  /** As written: `./x.ts`, `node:fs`, `pino`; `null` for a dynamic import of something that is not a plain string. */
  readonly specifier: string | null;
  /** True when nothing is left of it at run time. */
  readonly typesOnly: boolean;
  readonly line: number;
}

/**
 * All modules that a file names: `import` with and without bindings, `import type`, `export … from`, and `import(…)` as
 * a value and as a type.
 */
export function findImports(tokens: readonly Token[]): Import[] {
  return tokens.flatMap((token, at) => {
    if (token.kind !== 'name' || tokens[at - 1]?.text === '.') return [];
    const found = token.text === 'import' ? readImport(tokens, at) : readExport(tokens, at);
    return found === null ? [] : [{ ...found, line: token.line }];
  });
}

function readImport(tokens: readonly Token[], at: number): Omit<Import, 'line'> | null {
  const next = tokens[at + 1];
  if (next?.kind === 'string') return { form: 'import', specifier: next.text, typesOnly: false };
  if (next?.text === '(') {
    const argument = tokens[at + 2];
    const specifier = argument?.kind === 'string' ? argument.text : null;
    return { form: 'dynamic', specifier, typesOnly: tokens[at - 1]?.text === 'typeof' };
  }
  // What is left out here is `import.meta`, and a property or method that is called import.
  return next?.kind === 'name' || next?.text === '{' || next?.text === '*'
    ? readFrom(tokens, at, 'import')
    : null;
}

function readExport(tokens: readonly Token[], at: number): Omit<Import, 'line'> | null {
  if (tokens[at]?.text !== 'export') return null;
  const opening = tokens[at + 1]?.text === 'type' ? tokens[at + 2] : tokens[at + 1];
  if (opening?.text === '*') return readFrom(tokens, at, 're-export');
  if (opening?.text !== '{') return null;
  const end = tokens.findIndex((token, index) => index > at && token.kind === 'mark' && token.text === '}');
  return tokens[end + 1]?.text === 'from' ? readFrom(tokens, at, 're-export') : null;
}

/** The nearest `from '…'` after a keyword, with the bindings between the two. */
function readFrom(
  tokens: readonly Token[],
  at: number,
  form: 'import' | 're-export',
): Omit<Import, 'line'> | null {
  const from = tokens.findIndex(
    ({ kind, text }, index) =>
      index > at && kind === 'name' && text === 'from' && tokens[index + 1]?.kind === 'string',
  );
  const specifier = tokens[from + 1];
  if (from < 0 || specifier === undefined) return null;
  return { form, specifier: specifier.text, typesOnly: hasOnlyTypes(tokens.slice(at + 1, from)) };
}

/** True for `type …`, and for braces in which every name is marked as a type. */
function hasOnlyTypes(bindings: readonly Token[]): boolean {
  const words = bindings.map(({ text }) => text);
  // `import type from './x.ts'` binds a value that is called type.
  if (words[0] === 'type') return words.length > 1 && words[1] !== ',';
  if (words[0] !== '{') return false;
  const entries = words.slice(1, -1).join(' ').split(' , ');
  return entries.every((entry) => entry.startsWith('type ') && !entry.startsWith('type as '));
}
