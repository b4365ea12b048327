import { expect, test } from 'vitest';
import { parseProcessUsage, readProcessUsage } from '../../src/metrics/process-usage.ts';

const status = 'Name:\tnode\nVmPeak:\t 1200000 kB\nVmHWM:\t   99999 kB\nVmRSS:\t   71680 kB\nThreads:\t11\n';
const stat = (name: string): string =>
  `4711 (${name}) S 1 4711 4711 0 -1 4194560 9000 0 0 0 150 75 33 44 20 0 11 0 5000 1228800000 17920`;

test.each([
  ['a plain name', 'node', { residentBytes: 71_680 * 1024, cpuSeconds: 2.25 }],
  [
    'a name with spaces and brackets',
    'MainThread) x (y) 1 2',
    { residentBytes: 71_680 * 1024, cpuSeconds: 2.25 },
  ],
])('reads %s', (_title, name, expected) => {
  expect(parseProcessUsage(status, stat(name))).toEqual(expected);
});

test.each([
  ['no resident memory, as in a process that ends', 'Name:\tnode\nState:\tZ (zombie)\n', stat('node')],
  ['a line cut short', status, '4711 (node) S 1 4711'],
  ['no number', status, stat('node').replace(' 150 ', ' x ')],
  ['nothing', '', ''],
])('tells nothing rather than something wrong: %s', (_title, statusText, statText) => {
  expect(parseProcessUsage(statusText, statText)).toBeNull();
});

test('tells nothing where there is no procfs', () => {
  expect(readProcessUsage('/nonexistent')).toBeNull();
});

test.skipIf(process.platform !== 'linux')('agrees with what Node says of this process', () => {
  const usage = readProcessUsage();
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  expect(usage?.residentBytes).toBeGreaterThan(rss / 2);
  expect(usage?.residentBytes).toBeLessThan(rss * 2);
  expect(usage?.cpuSeconds).toBeLessThanOrEqual((user + system) / 1e6 + 0.1);
  expect(usage?.cpuSeconds).toBeGreaterThan((user + system) / 2e6);
});
