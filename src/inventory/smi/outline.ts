/** A line of `nvidia-smi -q` with the lines that are indented below it. */
export interface OutlineNode {
  readonly key: string;
  /** What stands after ` : `; null for a heading. */
  readonly value: string | null;
  readonly children: OutlineNode[];
}

/** Reads text whose nesting is its indentation, as `nvidia-smi -q` prints it. Never fails. */
export function parseOutline(text: string): readonly OutlineNode[] {
  const root: OutlineNode = { key: '', value: null, children: [] };
  const open: { readonly indent: number; readonly node: OutlineNode }[] = [{ indent: -1, node: root }];
  for (const line of text.split('\n')) {
    const content = line.trim();
    if (content === '') continue;
    const indent = line.length - line.trimStart().length;
    while (open.length > 1 && (open.at(-1)?.indent ?? -1) >= indent) open.pop();
    const node = parseLine(content);
    open.at(-1)?.node.children.push(node);
    open.push({ indent, node });
  }
  return root.children;
}

/** The value at the end of a path of keys; undefined where there is none. The first of equal keys counts. */
export function valueAt(nodes: readonly OutlineNode[], ...path: readonly string[]): string | undefined {
  return nodeAt(nodes, ...path)?.value ?? undefined;
}

/** The line at the end of a path of keys; undefined where there is none. */
export function nodeAt(nodes: readonly OutlineNode[], ...path: readonly string[]): OutlineNode | undefined {
  const [key, ...rest] = path;
  const node = nodes.find((candidate) => candidate.key === key);
  return rest.length === 0 || node === undefined ? node : nodeAt(node.children, ...rest);
}

/** All values below a line, at any depth. */
export function* valuesBelow(node: OutlineNode): Generator<string, void, void> {
  const waiting = [...node.children];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.value !== null) yield next.value;
    for (const child of next.children) waiting.push(child);
  }
}

/** A PCI address holds colons too; the separator is the first one with a blank before it. */
function parseLine(content: string): OutlineNode {
  const at = content.indexOf(' :');
  if (at < 0) return { key: content, value: null, children: [] };
  return { key: content.slice(0, at).trimEnd(), value: content.slice(at + 2).trim(), children: [] };
}
