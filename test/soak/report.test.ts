import { expect, test } from 'vitest';
import { reportSoak, soakFigures } from '../cluster/soak/report.ts';
import type { SoakResult } from '../cluster/soak/result.ts';

const result: SoakResult = {
  seed: 7,
  seconds: 90,
  gpus: 8,
  steps: {
    create: 5,
    delete: 3,
    'kill-container': 1,
    gpu: 0,
    'restart-agent': 2,
    'take-over': 0,
    'restart-kubelet': 0,
    'restart-both': 0,
  },
  pods: { made: 5, admitted: 3, refused: { 'no agent was registered': 1 }, neither: 1 },
  admissionMs: [1000, 3000, 2000],
  availableMs: { 'restart-agent': [500, 700], 'take-over': [], 'restart-kubelet': [], 'restart-both': [] },
  checks: { all: 11, withPodResources: 6 },
  afterForce: [],
  violations: [{ rule: 'a rule', detail: 'broken' }],
};

test('the report has a row for each figure, and the violations last', () => {
  const rows = reportSoak(result)
    .trimEnd()
    .split('\n')
    .map((row) => row.trim().replaceAll(/ {2,}/g, ' | '));
  expect(rows).toContain('steps | 11');
  expect(rows).toContain('refused: no agent was registered | 1');
  expect(rows).toContain('admission: create → Running | median 2.00 s, p99 3.00 s, 3 times');
  expect(rows).toContain('available after restart-agent | median 0.50 s, p99 0.70 s, 2 times');
  expect(rows).toContain('available after take-over | not measured');
  expect(rows).toContain('violations | 1');
  expect(rows.at(-1)).toBe('VIOLATION: a rule: broken');
});

test('for programs the times are summed up', () => {
  expect(soakFigures(result)).toMatchObject({
    seed: 7,
    admissionMs: { runs: 3, median: 2000, p99: 3000 },
    availableMs: { 'restart-agent': { runs: 2 }, 'take-over': null },
    violations: [{ rule: 'a rule' }],
  });
});
