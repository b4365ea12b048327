import type * as Yaml from 'yaml';
import { describeError } from '../lib/errors.ts';
import { joinPath, type Path } from './layer.ts';
import { problem, type ConfigProblem, type Origin } from './problem.ts';
import { maxConfigBytes } from './read-file.ts';

/** A YAML or JSON text as plain values, and where each of them was written. */
export interface ConfigDocument {
  readonly kind: 'document';
  /** `null` for an empty text. */
  readonly root: unknown;
  /** Keys that stand more than once in the same map. */
  readonly duplicates: readonly ConfigProblem[];
  /** The place of a value; of its nearest parent where it was written elsewhere (merge keys). */
  locate(path: Path): Origin;
  /** The place of the key that leads to a value. */
  locateKey(path: Path): Origin;
}

/** Reads a text as one YAML document. The YAML library is loaded here, so that an agent without a file goes without. */
export async function readDocument(
  path: string,
  text: string,
): Promise<ConfigDocument | { readonly kind: 'unreadable'; readonly problems: readonly ConfigProblem[] }> {
  const start: Origin = { kind: 'file', path, line: 1, column: 1 };
  const unreadable = (expected: string, origin: Origin = start) =>
    problem('unreadable', origin, '', expected);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxConfigBytes) {
    const problems = [unreadable(`the file has ${bytes} bytes; at most ${maxConfigBytes} are read`)];
    return { kind: 'unreadable', problems };
  }
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  try {
    const document = yaml.parseDocument(text, {
      lineCounter: lines,
      merge: true,
      prettyErrors: false,
      uniqueKeys: false,
      stringKeys: true,
    });
    const faults = [...document.errors, ...document.warnings].slice(0, 10);
    if (faults.length > 0) {
      return {
        kind: 'unreadable',
        problems: faults.map((fault) =>
          unreadable(`no YAML: ${fault.message}`, place(path, lines, fault.pos[0])),
        ),
      };
    }
    const root: unknown = document.toJS({ maxAliasCount: 50 });
    return { kind: 'document', root, ...places(yaml, document, path, lines) };
  } catch (thrown) {
    // Alias bombs and nesting deeper than the stack end here.
    return { kind: 'unreadable', problems: [unreadable(`no YAML: ${describeError(thrown)}`)] };
  }
}

function places(yaml: typeof Yaml, document: Yaml.Document.Parsed, path: string, lines: Yaml.LineCounter) {
  const origin = (node: unknown): Origin =>
    place(path, lines, yaml.isNode(node) ? (node.range?.[0] ?? 0) : 0);
  const resolve = (node: unknown): unknown => (yaml.isAlias(node) ? node.resolve(document) : node);
  const keyText = (key: unknown): string => (yaml.isScalar(key) ? String(key.value) : '');

  const step = (parent: unknown, part: PropertyKey): { key: unknown; value: unknown } | null => {
    if (yaml.isSeq(parent) && typeof part === 'number') {
      const item = parent.items[part];
      return item === undefined ? null : { key: item, value: item };
    }
    if (!yaml.isMap(parent)) return null;
    const pair = parent.items.findLast(({ key }) => keyText(key) === String(part));
    return pair === undefined ? null : { key: pair.key, value: pair.value };
  };
  const find = (steps: Path, wanted: 'key' | 'value'): Origin => {
    let node: unknown = document.contents;
    let best: unknown = node;
    for (const part of steps) {
      const next = step(resolve(node), part);
      if (next === null) return origin(best);
      best = wanted === 'value' && yaml.isNode(next.value) ? next.value : next.key;
      node = next.value;
    }
    return origin(best);
  };

  const duplicates: ConfigProblem[] = [];
  const visit = (node: unknown, steps: Path): void => {
    if (yaml.isSeq(node)) for (const [index, item] of node.items.entries()) visit(item, [...steps, index]);
    if (!yaml.isMap(node)) return;
    const first = new Map<string, Origin>();
    for (const { key, value } of node.items) {
      const name = keyText(key);
      const before = first.get(name);
      if (before === undefined) first.set(name, origin(key));
      else {
        const line = before.kind === 'file' ? before.line : 0;
        const expected = `the key stands here for the second time, first in line ${line}; keep one`;
        duplicates.push(problem('duplicate-key', origin(key), joinPath('', [...steps, name]), expected));
      }
      visit(value, [...steps, name]);
    }
  };
  visit(document.contents, []);
  return {
    duplicates,
    locate: (steps: Path) => find(steps, 'value'),
    locateKey: (steps: Path) => find(steps, 'key'),
  };
}

function place(path: string, lines: Yaml.LineCounter, offset: number): Origin {
  const { line, col } = lines.linePos(offset);
  return { kind: 'file', path, line: Math.max(1, line), column: Math.max(1, col) };
}
