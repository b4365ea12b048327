import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { gpuModelNames } from '../../../src/inventory/simulated/models.ts';
import { gpuStates, presetNames, scenarioSchema } from '../../../src/inventory/simulated/scenario-schema.ts';
import { parseScenario } from '../../../src/inventory/simulated/scenario.ts';

const page = readFileSync(new URL('../../../docs/scenarios.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1]!);

test('there are examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(3);
});

test.each(examples)('example %#', (example) => {
  expect(parseScenario(example, 'the page', 'page').gpus.length).toBeGreaterThan(0);
});

/** The words in back quotes of the first cells of a section's table. */
function tableKeys(heading: string): string[] {
  const section = page.split(/^##+ /m).find((text) => text.startsWith(heading));
  const rows = (section ?? '').split('\n').filter((line) => line.startsWith('| `'));
  return rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));
}

const { gpus, links, timeline } = scenarioSchema.shape;

describe('the tables hold every key and no other', () => {
  test.each([
    ['Presets', presetNames],
    ['Keys of a file', Object.keys(scenarioSchema.shape)],
    ['`gpus` and `overrides`', Object.keys(gpus.unwrap().element.shape)],
    ['MIG instances', ['profile', 'gpuInstanceId', 'computeInstanceId', 'memoryMiB']],
    ['`links`', Object.keys(links.unwrap().element.shape)],
    ['Reports', ['gpuInstanceId', 'computeInstanceId', 'count', 'id']],
    ['`timeline`', timeline.unwrap().element.options.map((option) => option.shape.do.value)],
  ])('%s', (heading, keys) => {
    expect(tableKeys(heading).toSorted()).toEqual([...keys].toSorted());
  });

  test.each([...gpuModelNames, ...gpuStates])('%s', (word) => {
    expect(page).toContain(`\`${word}\``);
  });
});
