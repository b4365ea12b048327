import { summarize } from '../../../bench/statistics.ts';
import { textTable } from '../../../src/cli/text-table.ts';
import type { SoakResult } from './result.ts';

/** The result as a table for people. */
export function reportSoak(result: SoakResult): string {
  const { pods, steps, checks } = result;
  const total = Object.values(steps).reduce((sum, count) => sum + count, 0);
  const rows: string[][] = [
    ['seed', String(result.seed)],
    ['time', `${(result.seconds / 60).toFixed(1)} min, ${result.gpus} GPUs`],
    ['steps', String(total)],
    ...Object.entries(steps).map(([kind, count]) => [`  ${kind}`, String(count)]),
    ['pods made', String(pods.made)],
    ['  admitted', String(pods.admitted)],
    ...Object.entries(pods.refused)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([reason, count]) => [`  refused: ${reason}`, String(count)]),
    ['  deleted before either', String(pods.neither)],
    ['admission: create → Running', describeMs(result.admissionMs)],
    ...Object.entries(result.availableMs).map(([kind, values]) => [
      `available after ${kind}`,
      describeMs(values),
    ]),
    ['checks', `${checks.all}, ${checks.withPodResources} of them with pod resources`],
    ['GPUs given anew before a pod deleted by force had ended', String(result.afterForce.length)],
    ['violations', String(result.violations.length)],
  ];
  const violations = result.violations.map(({ rule, detail }) => `VIOLATION: ${rule}: ${detail}\n`);
  return `${textTable(rows)}${violations.join('')}`;
}

/** The result for programs: the table's figures, the times summed up. */
export function soakFigures(result: SoakResult): object {
  const available = Object.entries(result.availableMs).map(([kind, values]) => [kind, sumUp(values)]);
  return {
    ...result,
    admissionMs: sumUp(result.admissionMs),
    availableMs: Object.fromEntries(available) as object,
  };
}

function sumUp(values: readonly number[]): object | null {
  return values.length === 0 ? null : summarize(values);
}

function describeMs(values: readonly number[]): string {
  if (values.length === 0) return 'not measured';
  const { runs, median, p99 } = summarize(values);
  return `median ${(median / 1000).toFixed(2)} s, p99 ${(p99 / 1000).toFixed(2)} s, ${runs} times`;
}
