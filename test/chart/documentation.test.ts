import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { chartPage, readChartValues, renderChartPage } from '../../scripts/docs-chart.ts';

test("the chart's README is current: else run node scripts/docs.ts", async () => {
  expect(await readFile(chartPage, 'utf8')).toBe(await renderChartPage());
});

test('each value is described in a sentence', async () => {
  const values = await readChartValues();
  expect(values.length).toBeGreaterThan(40);
  const without = values.filter(({ description }) => !/^[A-Z`].*\.$/s.test(description));
  expect(without).toEqual([]);
});
