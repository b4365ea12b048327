import fc from 'fast-check';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { planCdi } from '../../src/allocation/cdi/cdi-plan.ts';
import { checkSpec } from '../../src/allocation/cdi/cdi-rules.ts';
import { anyInput } from '../allocation/cdi-inputs.ts';
import { brokenSpecs, soundSpec } from '../allocation/cdi-specs.ts';
import { buildCdiValidator, validateSpecs } from '../support/cdi-validator.ts';
import { mustSkip } from '../support/nvml-header.ts';

const validator = await buildCdiValidator();
const path = 'path' in validator ? validator.path : '';

afterAll(async () => {
  if (path !== '') await rm(dirname(path), { recursive: true });
});

describe.skipIf(mustSkip(validator, "the specs before CDI's own reader"))("CDI's own reader", () => {
  it('takes every spec that is made, whatever the node is like', async () => {
    const specs = fc.sample(anyInput, 300).flatMap((input) => [...planCdi(input).specs.values()]);
    const verdicts = await validateSpecs(path, specs);
    expect(specs.length).toBeGreaterThan(100);
    expect(verdicts).toEqual(specs.map(() => ''));
  });

  it('takes the golden specs', async () => {
    const folder = new URL('../golden/', import.meta.url);
    const names = (await readdir(folder)).filter((name) => /^cdi-.*\.json$/.test(name));
    const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')));
    const specs = texts.flatMap((text) => Object.values(JSON.parse(text) as Record<string, unknown>));
    expect(specs.length).toBeGreaterThan(3);
    expect(await validateSpecs(path, specs)).toEqual(specs.map(() => ''));
  });

  it('refuses what our own check refuses', async () => {
    const specs = [soundSpec, ...brokenSpecs.map(({ spec }) => spec)];
    const verdicts = await validateSpecs(path, specs);
    const ours = specs.map((spec) => checkSpec(spec).length > 0);
    const expected = [false, ...brokenSpecs.map(({ oursAlone }) => oursAlone !== true)];
    expect(verdicts.map((verdict) => verdict !== '')).toEqual(expected);
    expect(ours).toEqual([false, ...brokenSpecs.map(() => true)]);
  });
});
