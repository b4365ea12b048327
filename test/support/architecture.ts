import { posix } from 'node:path';
import { findImports, type Import } from './imports.ts';
import { tokenize, type Token } from './tokens.ts';

/** What the program's source has to keep to. Paths are relative to the source folder; a folder stands for its files. */
export interface ArchitectureRules {
  /**
   * What each folder, and each file beside them, may import besides itself: a folder, a file, `types of <either>` where
   * nothing may be left of it at run time, or a file outside the source folder by its path from there.
   */
  readonly mayImport: Readonly<Record<string, readonly string[]>>;
  /** Which folders and files may import a package from outside. Node's own modules are free. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
  /** The files that may touch the global `process`. */
  readonly process: readonly string[];
  /** Folders and files whose functions depend on their arguments alone. */
  readonly pure: readonly string[];
  /** Lines that hold code, not space or comment. */
  readonly maxLines: number;
}

interface SourceFile {
  readonly path: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

/**
 * Every breach of the rules, one line each, in the order of the paths.
 * @param sources text by path, for example `kubelet/wire.ts`
 */
export function findBreaches(sources: ReadonlyMap<string, string>, rules: ArchitectureRules): string[] {
  const files = [...sources].map(([path, text]): SourceFile => {
    const tokens = tokenize(text);
    return { path, tokens, imports: findImports(tokens) };
  });
  const paths = new Set(sources.keys());
  return [
    ...files.flatMap((file) => [
      ...checkImports(file, paths, rules),
      ...checkExports(file),
      ...checkProcess(file, rules.process),
      ...(rules.pure.some((pure) => holds(pure, file.path)) ? checkPure(file) : []),
      ...checkLength(file, rules.maxLines),
    ]),
    ...findCycles(files).map((cycle) => `${cycle.join(' → ')}: a cycle`),
    ...findIdleRules(paths, rules),
  ];
}

/** True when the path is the file, or lies in the folder. */
function holds(folderOrFile: string, path: string): boolean {
  return path === folderOrFile || path.startsWith(`${folderOrFile}/`);
}

/** The path that a relative import means. */
function resolve(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

function checkImports(file: SourceFile, paths: ReadonlySet<string>, rules: ArchitectureRules): string[] {
  const home = file.path.split('/', 1)[0] ?? '';
  const allowed = Object.hasOwn(rules.mayImport, home) ? rules.mayImport[home] : undefined;
  if (allowed === undefined) return [`${file.path}: ${home} is not in the import table`];
  return file.imports.flatMap(({ specifier, typesOnly, line }) => {
    const where = `${file.path}:${line}`;
    if (specifier === null) return [`${where}: imports what is not a plain string`];
    if (specifier.startsWith('node:')) return [];
    if (!specifier.startsWith('.')) return checkPackage(where, file.path, specifier, rules.packages);
    const target = resolve(file.path, specifier);
    if (target.startsWith('../') && allowed.includes(target)) return [];
    if (!paths.has(target)) return [`${where}: imports ${specifier}, which is no source file`];
    const fits = (entry: string): boolean =>
      entry.startsWith('types of ') ? typesOnly && holds(entry.slice(9), target) : holds(entry, target);
    return holds(home, target) || allowed.some(fits) ? [] : [`${where}: ${home} may not import ${target}`];
  });
}

function checkPackage(
  where: string,
  path: string,
  specifier: string,
  packages: ArchitectureRules['packages'],
): string[] {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const homes = Object.hasOwn(packages, name) ? packages[name] : undefined;
  if (homes === undefined) return [`${where}: the package ${name} is not in the package table`];
  return homes.some((home) => holds(home, path)) ? [] : [`${where}: may not import the package ${name}`];
}

function checkExports({ path, tokens, imports }: SourceFile): string[] {
  const defaults = tokens.filter(
    ({ kind, text }, at) =>
      kind === 'name' && text === 'default' && ['export', 'as'].includes(tokens[at - 1]?.text ?? ''),
  );
  const passedOn = imports.filter(({ form }) => form === 're-export');
  return [
    ...(posix.basename(path) === 'index.ts' ? [`${path}: is a barrel; name the files themselves`] : []),
    ...defaults.map(({ line }) => `${path}:${line}: exports a default; give it its name`),
    ...passedOn.map(({ line, specifier }) => `${path}:${line}: passes on ${specifier}; name the file itself`),
  ];
}

function checkProcess({ path, tokens, imports }: SourceFile, allowed: readonly string[]): string[] {
  if (allowed.includes(path)) return [];
  const modules = imports.filter(({ specifier }) => specifier === 'node:process' || specifier === 'process');
  // A file may call something of its own so; then only what the global object has counts.
  const bindsOwn = tokens.some(
    ({ kind, text }, at) =>
      kind === 'name' && text === 'process' && isBinding(tokens[at - 1]?.text, tokens[at + 1]?.text),
  );
  const uses = findGlobals(tokens, ['process', 'globalThis', 'global']).filter((token) => {
    const member = tokens[tokens.indexOf(token) + 2]?.text ?? '';
    return token.text !== 'process' || !bindsOwn || member in process;
  });
  const lines = [...uses, ...modules].map(({ line }) => line);
  return [...new Set(lines)].map((line) => `${path}:${line}: touches the global process`);
}

/** True for what stands around a name that is declared: `const x`, `let x`, `(x:`, `, x:`. */
function isBinding(before: string | undefined, after: string | undefined): boolean {
  return before === 'const' || before === 'let' || (after === ':' && (before === '(' || before === ','));
}

const impureGlobals =
  'await async Date performance fetch console crypto queueMicrotask setTimeout setInterval setImmediate'.split(
    ' ',
  );

function checkPure({ path, tokens, imports }: SourceFile): string[] {
  const modules = imports.filter(
    ({ specifier }) =>
      specifier?.startsWith('node:') === true ||
      ['lib/clock.ts', 'lib/log.ts'].includes(resolve(path, specifier ?? '')),
  );
  const random = tokens.filter(({ text }, at) => text === 'random' && tokens[at - 2]?.text === 'Math');
  return [
    ...modules.map(({ line, specifier }) => `${path}:${line}: is pure and imports ${specifier}`),
    ...[...findGlobals(tokens, impureGlobals), ...random].map(
      ({ line, text }) => `${path}:${line}: is pure and uses ${text}`,
    ),
  ];
}

/** Uses of a global name: not a property of something, and not a key or a declared name with a type. */
function findGlobals(tokens: readonly Token[], names: readonly string[]): Token[] {
  return tokens.filter(({ kind, text }, at) => {
    if (kind !== 'name' || !names.includes(text)) return false;
    const [before, after] = [tokens[at - 1]?.text ?? '', tokens[at + 1]?.text ?? ''];
    return before !== '.' && !(after === ':' && ['{', ',', '(', ';', 'readonly'].includes(before));
  });
}

function checkLength({ path, tokens }: SourceFile, maxLines: number): string[] {
  const lines = new Set<number>();
  for (const { line, lastLine } of tokens) for (let at = line; at <= lastLine; at += 1) lines.add(at);
  return lines.size > maxLines ? [`${path}: has ${lines.size} lines of code, over ${maxLines}`] : [];
}

/** One path for each way in which imports lead back to a file, types and dynamic imports included. */
function findCycles(files: readonly SourceFile[]): string[][] {
  const edges = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.flatMap(({ specifier }) =>
        specifier?.startsWith('.') === true ? [resolve(path, specifier)] : [],
      ),
    ]),
  );
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) cycles.push([...trail.slice(seenAt), path]);
    if (seenAt >= 0 || finished.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}

/** A rule about a path that is no more guards nothing. */
function findIdleRules(paths: ReadonlySet<string>, rules: ArchitectureRules): string[] {
  const named = new Set([
    ...Object.keys(rules.mayImport),
    ...Object.values(rules.mayImport).flat(),
    ...Object.values(rules.packages).flat(),
    ...rules.process,
    ...rules.pure,
  ]);
  return [...named]
    .map((entry) => entry.replace(/^types of /, ''))
    .filter((entry) => !entry.startsWith('../') && ![...paths].some((path) => holds(entry, path)))
    .map((entry) => `the rules name ${entry}, which is no source file or folder`);
}
