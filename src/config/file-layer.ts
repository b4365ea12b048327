import type { ConfigDocument } from './document.ts';
import { keyTree, type KeyTree } from './key-tree.ts';
import { joinPath, LayerBuilder, type Layer } from './layer.ts';
import { problem } from './problem.ts';
import { settingRows } from './settings.ts';
import { suggest } from './suggest.ts';

/** What a config file gives. A key without a value counts as not given; an unknown one is a problem. */
export function readFile(document: ConfigDocument): Layer {
  const layer = new LayerBuilder();
  layer.problems.push(...document.duplicates);
  walk(document, layer, keyTree(), document.root, []);
  const more = layer.problems.splice(maxProblems);
  if (more[0] !== undefined) {
    const expected = `there is more: only the first ${maxProblems} problems are told`;
    layer.problems.push(problem('unreadable', more[0].origin, '', expected));
  }
  return layer;
}

/** What a person reads at a time; also bounds the work on a file that is none of ours. */
const maxProblems = 100;

function walk(
  document: ConfigDocument,
  layer: LayerBuilder,
  tree: KeyTree,
  map: unknown,
  steps: readonly string[],
): void {
  if (map === null || map === undefined) return;
  if (!isPlainMap(map)) {
    const expected = 'a map of keys and values';
    layer.problems.push(
      problem('invalid', document.locate(steps), joinPath('', steps), expected, { given: map }),
    );
    return;
  }
  for (const [name, value] of Object.entries(map)) {
    if (layer.problems.length > maxProblems) return;
    const path = [...steps, name];
    const branch = tree.branches.get(name);
    const leaf = tree.leaves.get(name);
    if (branch !== undefined) walk(document, layer, branch, value, path);
    else if (leaf === undefined) {
      const expected = suggestKey(tree, steps, name);
      layer.problems.push(problem('unknown-key', document.locateKey(path), joinPath('', path), expected));
    } else if (value !== null && value !== undefined) {
      layer.add(leaf.key, leaf.setting, value, (part) => document.locate([...path, ...part]));
    }
  }
}

/** The key that was meant: one of the same map first, then one of that name elsewhere in the file. */
function suggestKey(tree: KeyTree, steps: readonly string[], name: string): string {
  const siblings = [...tree.branches.keys(), ...tree.leaves.keys()];
  const sibling = suggest(name, siblings);
  if (sibling !== null) return `did you mean ${[...steps, sibling].join('.')}?`;
  const prefixes = settingRows.filter(([, { inFile }]) => inFile).flatMap(([key]) => prefixesOf(key));
  const byName = new Map(prefixes.map((prefix) => [prefix.slice(prefix.lastIndexOf('.') + 1), prefix]));
  const elsewhere = byName.get(suggest(name, byName.keys()) ?? '');
  return elsewhere === undefined ? `known here: ${siblings.join(', ')}` : `did you mean ${elsewhere}?`;
}

/** `a`, `a.b` and `a.b.c` of `a.b.c`. */
function prefixesOf(key: string): string[] {
  const parts = key.split('.');
  return parts.map((_, index) => parts.slice(0, index + 1).join('.'));
}

function isPlainMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
