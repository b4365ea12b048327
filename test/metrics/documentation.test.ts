import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { metricsPage, renderMetricsPage } from '../../scripts/docs-metrics.ts';
import { definitions } from '../../src/metrics/definitions.ts';

const page = await readFile(metricsPage, 'utf8');

test('the committed page is current: else run node scripts/docs.ts', async () => {
  expect(await renderMetricsPage()).toBe(page);
});

test('every metric is on the page, and the queries name none that there is not', () => {
  const names = Object.values(definitions).map(({ name }) => name);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  const queries = /```promql\n([^`]+)```/.exec(page)?.[1] ?? '';
  const asked = queries.match(/slicewise_\w+/g) ?? [];
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.filter((name) => !names.some((known) => known === name))).toEqual([]);
});
