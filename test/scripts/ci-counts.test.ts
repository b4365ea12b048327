import { expect, test } from 'vitest';
import {
  countSteps,
  countVitestReport,
  nameTroubles,
  readStep,
  settleCounts,
} from '../../scripts/ci-counts.ts';

test.each([
  ['all is good', { passed: 3, failed: 0 }, 0, { passed: 3, failed: 0 }],
  ['something failed', { passed: 3, failed: 2 }, 1, { passed: 3, failed: 2 }],
  ['nothing failed, and the process did', { passed: 3, failed: 0 }, 1, { passed: 3, failed: 1 }],
  ['nothing was checked', { passed: 0, failed: 0 }, 0, { passed: 0, failed: 1 }],
  ['the process failed before it checked anything', { passed: 0, failed: 0 }, 124, { passed: 0, failed: 1 }],
  ['something failed, and the process did not say so', { passed: 3, failed: 2 }, 0, { passed: 3, failed: 2 }],
])('%s', (_title, counts, exitCode, expected) => {
  expect(settleCounts(counts, exitCode)).toEqual(expected);
});

test('a report of vitest is counted, with files that could not be loaded', () => {
  const report = JSON.stringify({
    numPassedTests: 5,
    numFailedTests: 2,
    numPendingTests: 1,
    testResults: [
      { status: 'passed', assertionResults: [{}, {}, {}] },
      { status: 'failed', assertionResults: [{}, {}, {}, {}, {}] },
      { status: 'failed', assertionResults: [] },
    ],
  });
  expect(countVitestReport(report)).toEqual({ passed: 5, failed: 3 });
});

test('a report that was never written counts nothing', () => {
  expect(countVitestReport(null)).toEqual({ passed: 0, failed: 0 });
});

test('tests that failed, or passed at the second try, are named with the first line of why', () => {
  const test = (fullName: string, status: string, failureMessages: readonly string[] | null): object => ({
    fullName,
    status,
    failureMessages,
  });
  const report = JSON.stringify({
    testResults: [
      {
        status: 'passed',
        assertionResults: [test('a', 'passed', []), test('b', 'passed', ['Error: late\n    at b.ts:1'])],
      },
      {
        assertionResults: [test('c', 'failed', ['Error: no', 'Error: again no']), test('d', 'failed', null)],
      },
      { status: 'passed', assertionResults: [test('e', 'skipped', null)] },
      { name: 'f.test.ts', status: 'failed', message: 'Error: no module\n    at', assertionResults: [] },
      { name: 'g.test.ts', status: 'failed', assertionResults: [test('g', 'skipped', null)] },
    ],
  });
  expect(nameTroubles(report)).toEqual([
    'passed at the second try: b: Error: late',
    'FAILED: c: Error: no',
    'FAILED: d: no reason came',
    'FAILED: f.test.ts: Error: no module',
    'FAILED: g.test.ts: no reason came',
  ]);
  expect(nameTroubles(null)).toEqual([]);
});

test.each([
  [
    '{"step":1,"title":"a pod gets a GPU","ok":true,"facts":["GPU-1"]}',
    { ok: true, text: 'a pod gets a GPU' },
  ],
  [
    '{"step":2,"title":"a refusal","promise":"it says why","ok":false,"facts":["no reason came",7]}',
    { ok: false, text: 'a refusal; it says why; no reason came' },
  ],
  ['{"summary":{"passed":3,"failed":0},"ok":true}', null],
  ['{"title":"a step","ok":"yes"}', null],
  ['{cut short', null],
  ['null', null],
  ['plain words', null],
  ['', null],
])('a line is read as a step: %s', (line, step) => {
  expect(readStep(line)).toEqual(step);
});

test('steps are counted among other output', () => {
  const line = (ok: boolean): string => JSON.stringify({ title: 'a step', ok });
  expect(countSteps(['starting', line(true), line(false), line(true), '{"ok":false}'].join('\n'))).toEqual({
    passed: 2,
    failed: 1,
  });
});
