import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { formatDuration, parseDurationMs } from '../../src/config/duration.ts';
import { toFileMap } from '../../src/config/file-form.ts';
import { formatHttpAddress, parseHttpAddress } from '../../src/config/http-address.ts';
import { loadConfig } from '../../src/config/load.ts';
import { renderProblems } from '../../src/config/problem.ts';
import { settingRows } from '../../src/config/settings.ts';
import { loadGood, problemsOf } from './loading.ts';

// Hundreds of runs take seconds where the processors are busy.
vi.setConfig({ testTimeout: 60_000 });

const words = settingRows.flatMap(([, { kind }]) => kind.words);
const keys = settingRows.flatMap(([key]) => key.split('.'));
const anything = fc.anything({
  key: fc.oneof(fc.constantFrom(...keys, '__proto__', 'constructor'), fc.string()),
  values: [
    fc.constantFrom(...words, 'nvidia.com/gpu', '4Gi', '5s'),
    fc.integer(),
    fc.boolean(),
    fc.string(),
    fc.constant(null),
  ],
});

/** A file in which each setting may be there, with a value that is likely near to a good one. */
const nearFile = fc
  .record(
    Object.fromEntries(
      settingRows.map(([key]) => [key, fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, anything)]),
    ),
  )
  .map((row) => {
    const root: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(row)) {
      if (value === undefined) continue;
      const steps = key.split('.');
      const name = steps.pop() ?? '';
      let map = root;
      for (const step of steps) map = (map[step] ??= {}) as Record<string, unknown>;
      map[name] = value;
    }
    return root;
  });

test('any object either loads or gives problems that can be printed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(anything, nearFile), async (value) => {
      const loaded = await loadConfig({ flags: {}, env: {}, file: { path: 'c.yaml', text: toYaml(value) } });
      if (loaded.kind === 'ok') return;
      expect(loaded.problems.length).toBeGreaterThan(0);
      for (const line of renderProblems(loaded.problems)) expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }),
    { numRuns: 200 },
  );
});

test('any text either loads or gives problems', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom(...Array.from('{}[]:,-&*!|>\'"#%@ \n\tabflags')) }),
      async (text) => {
        const problems = await problemsOf({ file: text });
        expect(Array.isArray(problems)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

test('any flags and variables either load or give problems', async () => {
  const name = fc.constantFrom(
    ...settingRows.flatMap(([, { flag, env }]) => [...(flag === null ? [] : [flag]), ...env]),
    'x',
    'SLICEWISE_X',
  );
  const text = fc.oneof(fc.constantFrom(...words, ':9400', '/x', '0', '5s', 'true'), fc.string());
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, fc.oneof(text, fc.constant(true), fc.array(text))),
      fc.dictionary(name, text),
      async (flags, env) => {
        const loaded = await loadConfig({ flags, env, file: null });
        expect(loaded.kind === 'ok' || loaded.where === 'command-line').toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

test('the values of a configuration, written as a file, load to the same configuration', async () => {
  const flags = fc.record(
    {
      'device-list-strategy': fc.subarray(['envvar', 'volume-mounts'], { minLength: 1 }),
      'device-id-strategy': fc.constantFrom('uuid', 'index'),
      'pass-device-specs': fc.constantFrom(true, 'false'),
      'driver-root': fc.string().map((path) => `/${path.replaceAll('\0', '')}`),
      'http-address': fc.constantFrom('off', ':0', '[::1]:9400', 'localhost:80'),
      'rescan-interval': fc.integer({ min: 1000, max: 30_000 }).map((ms) => `${ms}ms`),
      scenario: fc.string({ minLength: 1 }).map((path) => `s${path.replaceAll('\0', '')}`),
      'imex-channel-ids': fc.constantFrom('0', ''),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(flags, async (given) => {
      const loaded = await loadGood({ flags: given });
      const again = await loadGood({ file: stringify(toFileMap(loaded.values)) });
      expect(again.config).toEqual(loaded.config);
    }),
    { numRuns: 100 },
  );
});

test('durations and addresses read back what they write', () => {
  fc.assert(fc.property(fc.nat(), (ms) => parseDurationMs(formatDuration(ms)) === ms));
  const address = fc.record({
    host: fc.oneof(fc.constant(null), fc.constantFrom('localhost', '127.0.0.1', '::1', 'fe80::1%eth0')),
    port: fc.nat(65_535),
  });
  fc.assert(
    fc.property(address, (value) => {
      expect(parseHttpAddress(formatHttpAddress(value))).toEqual(value);
    }),
  );
});

test.each(['', '1', '-1s', '1 s', '1d', 's', '1s2', '1e3s', '4us'])('%j is no duration', (text) => {
  expect(parseDurationMs(text)).toBeNull();
});

test.each(['', '9400', 'a:b', ':-1', ':70000', '::1:80', '[::1]', 'a b:80', ':80 '])(
  '%j is no address',
  (text) => {
    expect(parseHttpAddress(text)).toBeNull();
  },
);

/** YAML of any value; what YAML cannot write counts as empty. */
function toYaml(value: unknown): string {
  try {
    return stringify(value, { aliasDuplicateObjects: false }) ?? '';
  } catch {
    return '';
  }
}
