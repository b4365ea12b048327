/** How many checks of a runner were good and how many were not. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/**
 * The counts of a runner whose process has ended. One that ends badly has failed at least once, and one that checked
 * nothing has failed, too.
 */
export function settleCounts(counts: Counts, exitCode: number): Counts {
  const nothing = counts.passed + counts.failed === 0;
  return counts.failed === 0 && (exitCode !== 0 || nothing) ? { ...counts, failed: 1 } : counts;
}

/**
 * Counts vitest's JSON report. A file that could not be loaded has no tests in it and counts as one failure.
 * @param report text of the file; `null` when the run ended before there was one
 */
export function countVitestReport(report: string | null): Counts {
  if (report === null) return { passed: 0, failed: 0 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(report) as {
    readonly numPassedTests: number;
    readonly numFailedTests: number;
    readonly testResults: readonly {
      readonly status: string;
      readonly assertionResults: readonly unknown[];
    }[];
  };
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return { passed: numPassedTests, failed: numFailedTests + unloaded.length };
}

/** One line of a program that prints an object for each step, for example the demo with `--output json`. */
export interface Step {
  readonly ok: boolean;
  readonly text: string;
}

/** Reads such a line; `null` for anything else that is printed, and for objects that are no step. */
export function readStep(line: string): Step | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('ok' in value) || typeof value.ok !== 'boolean')
    return null;
  const { ok, ...rest } = value;
  return {
    ok,
    text: Object.values(rest)
      .filter((part) => typeof part === 'string')
      .join(': '),
  };
}

/** Counts the steps among the lines of an output. */
export function countSteps(output: string): Counts {
  const steps = output.split('\n').flatMap((line) => readStep(line) ?? []);
  const passed = steps.filter(({ ok }) => ok).length;
  return { passed, failed: steps.length - passed };
}
