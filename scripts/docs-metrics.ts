import { readFile } from 'node:fs/promises';
import { definitions, type Definition } from '../src/metrics/definitions.ts';
import { formatPage, markdownTable } from './markdown.ts';

/** Where the generated page lies. */
export const metricsPage = new URL('../docs/metrics.md', import.meta.url);

/** docs/metrics.md, made from the table of metrics and the words in scripts/metrics-page.md. */
export async function renderMetricsPage(): Promise<string> {
  const words = await readFile(new URL('metrics-page.md', import.meta.url), 'utf8');
  const rows = Object.values<Definition>(definitions).map(({ name, kind, labels, help }) => [
    `\`${name}\``,
    kind,
    Object.entries(labels).map(describeLabel).join('<br>') || '–',
    help,
  ]);
  const table = markdownTable(['Name', 'Kind', 'Labels', 'What it says'], rows);
  return formatPage(metricsPage, words.replace('<!-- metrics -->', table));
}

function describeLabel([label, values]: readonly [string, Definition['labels'][string]]): string {
  return Array.isArray(values)
    ? `\`${label}\`: ${values.map((each) => `\`${each}\``).join(', ')}`
    : `\`${label}\``;
}
