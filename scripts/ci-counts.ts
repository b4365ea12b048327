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

/** What is read of vitest's JSON report. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/**
 * Counts vitest's JSON report. A file that could not be loaded has no tests in it and counts as one failure.
 * @param report text of the file; `null` when the run ended before there was one
 */
export function countVitestReport(report: string | null): Counts {
  if (report === null) return { passed: 0, failed: 0 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(report) as VitestReport;
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return { passed: numPassedTests, failed: numFailedTests + unloaded.length };
}

/**
 * Names the tests and files of a report that failed, and the tests that passed at a second try only, each with the first line of what went wrong.
 * @param report text of the file; `null` when the run ended before there was one
 */
export function nameTroubles(report: string | null): readonly string[] {
  if (report === null) return [];
  const { testResults } = JSON.parse(report) as VitestReport;
  return testResults.flatMap(({ name, status: ofFile, message, assertionResults }) => {
    // One that could not be loaded, or whose common preparations failed.
    if (ofFile === 'failed' && !assertionResults.some(({ status }) => status === 'failed'))
      return [`FAILED: ${name}: ${firstLine(message ?? '') || 'no reason came'}`];
    return assertionResults.flatMap(({ fullName, status, failureMessages }) => {
      const [why] = (failureMessages ?? []).map(firstLine);
      if (status === 'failed') return [`FAILED: ${fullName}: ${why ?? 'no reason came'}`];
      return why === undefined ? [] : [`passed at the second try: ${fullName}: ${why}`];
    });
  });
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

/** What is read of a line that the demo prints for one of its steps. */
export interface Step {
  readonly ok: boolean;
  /** For a person: what was done, and when it failed, what should have held and what was seen. */
  readonly text: string;
}

/** Reads a line of `demo --output json`; `null` for its summary and for anything else that is printed. */
export function readStep(line: string): Step | null {
  const step = parseObject(line);
  if (typeof step?.ok !== 'boolean' || typeof step.title !== 'string') return null;
  const { ok, title, promise, facts } = step;
  const seen = [promise, ...(Array.isArray(facts) ? facts : [])].filter((part) => typeof part === 'string');
  return { ok, text: ok ? title : [title, ...seen].join('; ') };
}

function parseObject(line: string): Readonly<Record<string, unknown>> | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** Counts the steps among the lines of an output. */
export function countSteps(output: string): Counts {
  const steps = output.split('\n').flatMap((line) => readStep(line) ?? []);
  const passed = steps.filter(({ ok }) => ok).length;
  return { passed, failed: steps.length - passed };
}
