import { readFile } from 'node:fs/promises';
import { isMap, isScalar, parseDocument, type Node, type Pair, type YAMLMap } from 'yaml';
import { formatPage, markdownTable } from './markdown.ts';

/** Where the generated page lies. */
export const chartPage = new URL('../charts/slicewise/README.md', import.meta.url);
const valuesFile = new URL('../charts/slicewise/values.yaml', import.meta.url);

/** A value of the chart, as its file tells of it. */
export interface ChartValue {
  /** Keys with dots between them. */
  readonly path: string;
  readonly preset: unknown;
  /** From the comment that begins with `--`. */
  readonly description: string;
}

/** The chart's README, made from the comments in its values and the words in scripts/chart-page.md. */
export async function renderChartPage(): Promise<string> {
  const words = await readFile(new URL('chart-page.md', import.meta.url), 'utf8');
  const rows = (await readChartValues()).map(({ path, preset, description }) => [
    `\`${path}\``,
    `\`${JSON.stringify(preset)}\``,
    description,
  ]);
  const table = markdownTable(['Value', 'Default', 'What it is'], rows);
  return formatPage(chartPage, words.replace('<!-- values -->', table));
}

/**
 * Every value with a comment of its own, in the order of the file.
 * @throws when a value has none and neither has the map that it is in
 */
export async function readChartValues(): Promise<readonly ChartValue[]> {
  const document = parseDocument(await readFile(valuesFile, 'utf8'));
  if (!isMap(document.contents)) throw new Error('values.yaml is no map');
  return valuesOf(document.contents, '');
}

function valuesOf(map: YAMLMap, prefix: string): readonly ChartValue[] {
  return map.items.flatMap((pair, index) => {
    const { key, value } = pair as Pair<Node, Node | null>;
    const path = `${prefix}${isScalar(key) ? String(key.value) : ''}`;
    // The comment before the first key of a map is the map's.
    const description = describe(key.commentBefore ?? (index === 0 ? map.commentBefore : null) ?? '');
    if (description !== '') return [{ path, preset: (value?.toJSON() ?? null) as unknown, description }];
    if (isMap(value) && value.items.length > 0) return valuesOf(value, `${path}.`);
    throw new Error(`values.yaml says nothing of ${path}: give it a comment that begins with --`);
  });
}

/** What follows the last `--` of a comment; what stands before it is about several values. */
function describe(comment: string): string {
  const [, text = ''] = /(?:^|\n) -- ([^]*)$/.exec(comment) ?? [];
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
