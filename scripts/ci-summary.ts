import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { countSteps, countVitestReport, readStep, settleCounts, type Counts } from './ci-counts.ts';

/** A script of package.json that checks things. */
interface Runner {
  readonly script: string;
  readonly options?: readonly string[];
  /** Reads the counts from what it printed, or from the file that it was told to write. */
  count(output: string, exitCode: number): Counts;
  /** Longer than it takes; one that hangs is ended together with what it started. */
  readonly limitSeconds: number;
  /** What to show of each line that it prints; all of it when left out. */
  readonly show?: (line: string) => string;
}

interface Outcome {
  readonly output: string;
  readonly exitCode: number;
}

const reports = mkdtempSync(join(tmpdir(), 'ci-'));

const runners: readonly Runner[] = [
  {
    script: 'check',
    limitSeconds: 600,
    count: (_output, exitCode) => ({ passed: exitCode === 0 ? 1 : 0, failed: 0 }),
  },
  vitest('test:unit', 1200),
  vitest('test:contract', 1200),
  { script: 'demo', options: ['--output', 'json'], limitSeconds: 300, count: countSteps, show: showStep },
  // The first time it builds Kubernetes.
  vitest('test:cluster', 3000),
];

function vitest(script: string, limitSeconds: number): Runner {
  const report = join(reports, `${script.replace(':', '-')}.json`);
  return {
    script,
    limitSeconds,
    options: ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    count: () => countVitestReport(existsSync(report) ? readFileSync(report, 'utf8') : null),
  };
}

/** Runs every runner, whatever became of the one before, and prints the sum as the last line. */
async function main(): Promise<void> {
  let [passed, failed] = [0, 0];
  try {
    for (const runner of runners) {
      print(`== npm run ${runner.script}`);
      const startedMs = performance.now();
      const { output, exitCode } = await run(runner);
      const seconds = Math.round((performance.now() - startedMs) / 1000);
      const counts = settleCounts(runner.count(output, exitCode), exitCode);
      print(
        `== ${runner.script}: ${counts.passed} passed, ${counts.failed} failed, exit code ${exitCode}, ${seconds} s`,
      );
      passed += counts.passed;
      failed += counts.failed;
    }
  } finally {
    rmSync(reports, { recursive: true });
  }
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Runs a script, shows what it prints line by line as it comes, and resolves with the whole of it at its end. */
async function run({ script, options = [], limitSeconds, show = (line) => line }: Runner): Promise<Outcome> {
  const command = ['npm', 'run', '-s', script, '--', ...options];
  const child = spawn('timeout', ['--kill-after=10', `${limitSeconds}`, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    print(show(line));
  }
  return { output: lines.join('\n'), exitCode: await ended };
}

function showStep(line: string): string {
  const step = readStep(line);
  if (step === null) return line;
  return `${step.ok ? '  ok    ' : '  FAILED'} ${step.text}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
