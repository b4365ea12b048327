import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, the longest first. One of them at the end would run alone. */
const long = [
  'test/allocation/holdings/model.test.ts',
  'test/status/serve-status.test.ts',
  'test/cluster/examples.test.ts',
  'test/cluster/memory-slow-status.test.ts',
  'test/cluster/rolling-update.test.ts',
  'test/cluster/restarts.test.ts',
  'test/cluster/fast-status.test.ts',
  'test/cluster/chart-test.test.ts',
  'test/cluster/chart.test.ts',
  'test/cluster/health.test.ts',
];

/** Begins with what takes long. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const at = long.findIndex((path) => moduleId.endsWith(path));
  return at === -1 ? long.length : at;
}
