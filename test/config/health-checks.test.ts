import { expect, test } from 'vitest';
import { parseHealthChecks } from '../../src/config/health-checks.ts';
import { loadGood } from './loading.ts';

test.each<[string | null, object]>([
  [null, { all: false, allXids: false, xids: [], strange: [] }],
  ['', { all: false, allXids: false, xids: [], strange: [] }],
  ['79', { all: false, allXids: false, xids: [79], strange: [] }],
  [' 31 ,43,, 79', { all: false, allXids: false, xids: [31, 43, 79], strange: [] }],
  ['ALL', { all: true, allXids: true, xids: [], strange: [] }],
  ['Xids,79', { all: false, allXids: true, xids: [79], strange: [] }],
  ['48,x79,-1,7.5', { all: false, allXids: false, xids: [48], strange: ['x79', '-1', '7.5'] }],
])('%j', (text, expected) => {
  expect(parseHealthChecks(text)).toEqual(expected);
});

const notesOf = async (env: Record<string, string>, text?: string): Promise<readonly string[]> =>
  (await loadGood({ env, ...(text !== undefined && { file: text }) })).notes;

test('what has no effect, or is not known, is told and taken', async () => {
  expect(await notesOf({ DP_DISABLE_HEALTHCHECKS: 'x79' })).toEqual([
    "DP_DISABLE_HEALTHCHECKS: 'x79' is no XID and has no effect.",
  ]);
  expect(await notesOf({}, 'health: {xids: {ignore: [94], unhealthy: [173, 200]}}')).toEqual([
    'health.xids.unhealthy: XID 173, 200 is not in the catalogue of this version; it counts as it is written.',
  ]);
  expect(await notesOf({ DP_DISABLE_HEALTHCHECKS: '79', DP_ENABLE_HEALTHCHECKS: '95' })).toEqual([]);
});

test('switching everything off is told', async () => {
  expect(await notesOf({ DP_DISABLE_HEALTHCHECKS: 'all' })).toEqual([
    'DP_DISABLE_HEALTHCHECKS all: only a GPU that does not answer is Unhealthy.',
  ]);
  expect(await notesOf({ DP_DISABLE_HEALTHCHECKS: 'all', DP_ENABLE_HEALTHCHECKS: '79' })).toEqual([
    'DP_DISABLE_HEALTHCHECKS all: only a GPU that does not answer is Unhealthy, and one with XID 79.',
  ]);
});
